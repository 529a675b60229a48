/** The transform of weights, for tiles of `n` × `n` products; `n` is constant. */
import { add, half, load, scaled, sixth, store3, sub, times } from "./common";

/** Factor of product `k`, from the weights in a line; windows of 2×2 have no `g2`. */
@inline function weight(n: i32, k: i32, g0: v128, g1: v128, g2: v128): v128 {
  if (k == n - 1) return (n & 1) != 0 ? g1 : g2;
  if (n == 3) return k == 0 ? g0 : add(g0, g1);
  if (n == 4) {
    if (k == 0) return g0;
    const outer = half(add(g0, g2)), middle = half(g1);
    return k == 1 ? add(outer, middle) : sub(outer, middle);
  }
  if (n == 5) {
    if (k < 2) return half(k == 0 ? g0 : add(g0, g1));
    return sixth(k == 2 ? sub(g1, g0) : times(2, g1, g0));
  }
  if (k == 0) return scaled(0.25, g0);
  if (k < 3) {
    const outer = add(g0, g2);
    return scaled(-1.0 / 6.0, k == 1 ? add(outer, g1) : sub(outer, g1));
  }
  const outer = times(4, g2, g0);
  return scaled(1.0 / 24.0, k == 3 ? times(2, g1, outer) : times(-2, g1, outer));
}

/** Transforms a window of weights, its taps `tap` bytes apart, to planes. */
@inline export function weightsTile(n: i32, p: usize, tap: usize, o: usize, plane: usize): void {
  const taps: usize = (n & 1) != 0 ? 2 : 3, last = taps - 1;
  // Columns first, then rows; the smallest tiles in the other order, which rounds differently.
  const down = n == 3 ? tap : taps * tap, across = n == 3 ? taps * tap : tap;
  const oDown = n == 3 ? plane : <usize> n * plane, oAcross = n == 3 ? <usize> n * plane : plane;
  const q = p + across, r = p + last * across;
  for (let k = 0; k < n; ++k) {
    const a = weight(n, k, load(p, down, 0), load(p, down, 1), load(p, down, last));
    const b = weight(n, k, load(q, down, 0), load(q, down, 1), load(q, down, last));
    const c = weight(n, k, load(r, down, 0), load(r, down, 1), load(r, down, last));
    store3(o, oAcross, weight(n, 0, a, b, c), weight(n, 1, a, b, c), weight(n, 2, a, b, c));
    if (n > 3) v128.store(o + 3 * oAcross, weight(n, 3, a, b, c));
    if (n > 4) v128.store(o + 4 * oAcross, weight(n, 4, a, b, c));
    if (n > 5) v128.store(o + 5 * oAcross, weight(n, 5, a, b, c));
    o += oDown;
  }
}
