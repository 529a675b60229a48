/**
 * Convolutions with 2×2 windows at stride 1, by Winograd's F(2×2, 2×2): a tile of 2×2 outputs takes
 * 9 products a pair of channels where the definition takes 16. Its transforms only add and subtract,
 * so nothing is lost in precision. Winograd (1980); Lavin and Gray, "Fast algorithms for
 * convolutional neural networks" (2016).
 *
 * In one dimension: y0 = d0 g0 + d1 g1 and y1 = d1 g0 + d2 g1 are m0 + m1 and m1 + m2, with
 * m0 = (d0 - d1) g0, m1 = d1 (g0 + g1), m2 = (d2 - d1) g1.
 */
import { activate, address, real, word } from "./simd";
import { matrixTimesPanel, outerProducts } from "./gemm";

/** Tiles that pass at once, but for an image that has more. */
// @ts-ignore: decorator
@inline const TILES = 32;

/** Weights `[panel][4 taps][rows][8]` to `[9][panel][rows][8]`; one item is one panel. */
export function transformWeights(r: usize, item: i32): void {
  const weights = address(r, 3), rows = word(r, 4), panels = word(r, 5);
  const tap = <usize> rows << 5, plane = tap * <usize> panels;
  const from = weights + tap * <usize> (4 * item), to = address(r, 6) + tap * <usize> item;
  for (let at: usize = 0; at < tap; at += 16) {
    const a = v128.load(from + at), b = v128.load(from + at + tap);
    const c = v128.load(from + at + 2 * tap), d = v128.load(from + at + 3 * tap);
    const ab = f32x4.add(a, b), cd = f32x4.add(c, d);
    let o = to + at;
    v128.store(o, a); o += plane;
    v128.store(o, ab); o += plane;
    v128.store(o, b); o += plane;
    v128.store(o, f32x4.add(a, c)); o += plane;
    v128.store(o, f32x4.add(ab, cd)); o += plane;
    v128.store(o, f32x4.add(b, d)); o += plane;
    v128.store(o, c); o += plane;
    v128.store(o, cd); o += plane;
    v128.store(o, d);
  }
}

/** The images' 3×3 windows, 2 apart, to `[9][tile][channels]`. */
function transformInput(
  x: usize, xImage: usize, xRow: usize, channels: i32,
  images: i32, tilesDown: i32, tilesAcross: i32, out: usize, plane: usize,
): void {
  const step = <usize> channels << 2;
  let to = out;
  for (let i = 0; i < images; ++i) {
    for (let y = 0; y < tilesDown; ++y) {
      let at = x + <usize> i * xImage + <usize> (2 * y) * xRow;
      for (let t = 0; t < tilesAcross; ++t) {
        for (let c: usize = 0; c < step; c += 16) {
          let p = at + c;
          const a0 = v128.load(p), a1 = v128.load(p + step), a2 = v128.load(p + 2 * step);
          p += xRow;
          const b0 = v128.load(p), b1 = v128.load(p + step), b2 = v128.load(p + 2 * step);
          p += xRow;
          const c0 = v128.load(p), c1 = v128.load(p + step), c2 = v128.load(p + 2 * step);
          const u0 = f32x4.sub(a0, b0), u1 = f32x4.sub(a1, b1), u2 = f32x4.sub(a2, b2);
          const w0 = f32x4.sub(c0, b0), w1 = f32x4.sub(c1, b1), w2 = f32x4.sub(c2, b2);
          let o = to + c;
          v128.store(o, f32x4.sub(u0, u1)); o += plane;
          v128.store(o, u1); o += plane;
          v128.store(o, f32x4.sub(u2, u1)); o += plane;
          v128.store(o, f32x4.sub(b0, b1)); o += plane;
          v128.store(o, b1); o += plane;
          v128.store(o, f32x4.sub(b2, b1)); o += plane;
          v128.store(o, f32x4.sub(w0, w1)); o += plane;
          v128.store(o, w1); o += plane;
          v128.store(o, f32x4.sub(w2, w1));
        }
        at += 2 * step;
        to += step;
      }
    }
  }
}

/** As `convolve` in conv.ts, whose words it takes; the weights are transformed. */
export function winograd(r: usize, from: i32, to: i32, thread: i32): void {
  const xImage = <usize> word(r, 4), xRow = <usize> word(r, 5), xStep = <usize> word(r, 6);
  const height = word(r, 10), width = word(r, 11), panels = word(r, 12);
  const weights = address(r, 13), biases = address(r, 14), biasStep = <usize> word(r, 15);
  const out = address(r, 16), outImage = <usize> word(r, 17), outRow = <usize> word(r, 18);
  const outStep = <usize> word(r, 19), kind = word(r, 20), slope = f32x4.splat(real(r, 21));
  const scratch = <usize> word(r, 22);
  const x = scratch == 0
    ? address(r, 3)
    : address(r, 3) + <usize> thread * scratch - <usize> from * xImage;
  const v = address(r, 23) + <usize> thread * <usize> word(r, 24);
  const vPlane = <usize> word(r, 25), m = v + 9 * vPlane, mPlane = <usize> word(r, 26);
  const zeros = address(r, 27);
  const channels = <i32> (xStep >> 2), panelBytes = xStep << 3;
  const mRow = <usize> panels << 5;
  const down = height >> 1, across = width >> 1;
  const few = max(1, TILES / (down * across));
  for (let i = from; i < to; i += few) {
    const images = min(few, to - i), tiles = images * down * across;
    transformInput(
      x + <usize> i * xImage, xImage, xRow, channels, images, down, across, v, vPlane,
    );
    for (let q = 0; q < 9; ++q) {
      const a = v + <usize> q * vPlane;
      for (let p = 0; p < panels; ++p) {
        const panel = weights + <usize> (q * panels + p) * panelBytes;
        const o = m + <usize> q * mPlane + (<usize> p << 5);
        matrixTimesPanel(a, xStep, tiles, channels, panel, zeros, 0, 0, o, mRow);
      }
    }
    let at = m;
    for (let n = 0; n < images; ++n) {
      for (let y = 0; y < down; ++y) {
        let o = out + <usize> (i + n) * outImage + <usize> (2 * y) * outRow;
        for (let t = 0; t < across; ++t) {
          for (let c: usize = 0; c < mRow; c += 16) {
            let p = at + c;
            const a0 = v128.load(p); p += mPlane;
            const a1 = v128.load(p); p += mPlane;
            const a2 = v128.load(p); p += mPlane;
            const b0 = v128.load(p); p += mPlane;
            const b1 = v128.load(p); p += mPlane;
            const b2 = v128.load(p); p += mPlane;
            const c0 = v128.load(p); p += mPlane;
            const c1 = v128.load(p); p += mPlane;
            const c2 = v128.load(p);
            const bias = v128.load(biasStep == 0 ? biases : biases + c);
            const ab1 = f32x4.add(a1, b1), bc1 = f32x4.add(b1, c1);
            const s = f32x4.add(ab1, bias), z = f32x4.add(bc1, bias);
            const q = o + c;
            v128.store(q, activate(f32x4.add(f32x4.add(a0, b0), s), kind, slope));
            v128.store(q + outStep, activate(f32x4.add(f32x4.add(a2, b2), s), kind, slope));
            v128.store(q + outRow, activate(f32x4.add(f32x4.add(b0, c0), z), kind, slope));
            v128.store(q + outRow + outStep, activate(f32x4.add(f32x4.add(b2, c2), z), kind, slope));
          }
          at += mRow;
          o += 2 * outStep;
        }
      }
    }
  }
}

/** As `filterGradient` in conv.ts, whose words it takes. `last` at the chunk's last range. */
export function winogradGradient(
  r: usize, from: i32, to: i32, thread: i32, chunk: i32, fresh: bool, last: bool,
): void {
  const x = address(r, 3), xImage = <usize> word(r, 4), xRow = <usize> word(r, 5);
  const xStep = <usize> word(r, 6), height = word(r, 10), width = word(r, 11);
  const panels = word(r, 12), scratch = <usize> word(r, 14), dImage = <usize> word(r, 15);
  const dRow = <usize> word(r, 16), dStep = <usize> word(r, 17);
  const d = address(r, 13) + <usize> thread * scratch - <usize> from * dImage;
  const partBytes = <usize> word(r, 19);
  const out = address(r, 18) + <usize> chunk * partBytes;
  const v = address(r, 20) + <usize> thread * <usize> word(r, 21);
  const vPlane = <usize> word(r, 22), m = v + 9 * vPlane, mPlane = <usize> word(r, 23);
  const sums = v + <usize> word(r, 24);
  const channels = <i32> (xStep >> 2);
  const tap = <usize> channels << 5, plane = tap * <usize> panels;
  const bias = out + 4 * plane;
  if (fresh) {
    memory.fill(sums, 0, 9 * plane);
    memory.fill(bias, 0, <usize> panels << 5);
  }
  const down = height >> 1, across = width >> 1;
  const few = max(1, TILES / (down * across));
  for (let i = from; i < to; i += few) {
    const images = min(few, to - i), tiles = images * down * across;
    transformInput(
      x + <usize> i * xImage, xImage, xRow, channels, images, down, across, v, vPlane,
    );
    for (let p = 0; p < panels; ++p) {
      // The outputs' gradients, to [9][tile][8]; the one in the middle is their sum.
      for (let half: usize = 0; half < 32; half += 16) {
        let to = m + half;
        let total = v128.load(bias + (<usize> p << 5) + half);
        for (let n = 0; n < images; ++n) {
          for (let y = 0; y < down; ++y) {
            let at = d + <usize> (i + n) * dImage + <usize> (2 * y) * dRow + (<usize> p << 5) + half;
            for (let t = 0; t < across; ++t) {
              const a = v128.load(at), b = v128.load(at + dStep);
              const c = v128.load(at + dRow), e = v128.load(at + dRow + dStep);
              const ab = f32x4.add(a, b), ce = f32x4.add(c, e), all = f32x4.add(ab, ce);
              total = f32x4.add(total, all);
              let o = to;
              v128.store(o, a); o += mPlane;
              v128.store(o, ab); o += mPlane;
              v128.store(o, b); o += mPlane;
              v128.store(o, f32x4.add(a, c)); o += mPlane;
              v128.store(o, all); o += mPlane;
              v128.store(o, f32x4.add(b, e)); o += mPlane;
              v128.store(o, c); o += mPlane;
              v128.store(o, ce); o += mPlane;
              v128.store(o, e);
              at += 2 * dStep;
              to += 32;
            }
          }
        }
        v128.store(bias + (<usize> p << 5) + half, total);
      }
      for (let q = 0; q < 9; ++q) {
        outerProducts(
          v + <usize> q * vPlane, channels, 0, 0, xStep, m + <usize> q * mPlane,
          1, 1, tiles, sums + <usize> q * plane + <usize> p * tap,
        );
      }
    }
  }
  if (!last) return;
  for (let p = 0; p < panels; ++p) {
    const from = sums + <usize> p * tap, to = out + <usize> (4 * p) * tap;
    for (let at: usize = 0; at < tap; at += 16) {
      let q = from + at;
      const a0 = v128.load(q); q += plane;
      const a1 = v128.load(q); q += plane;
      const a2 = v128.load(q); q += plane;
      const b0 = v128.load(q); q += plane;
      const b1 = v128.load(q); q += plane;
      const b2 = v128.load(q); q += plane;
      const c0 = v128.load(q); q += plane;
      const c1 = v128.load(q); q += plane;
      const c2 = v128.load(q);
      const ab1 = f32x4.add(a1, b1), bc1 = f32x4.add(b1, c1);
      const o = to + at;
      v128.store(o, f32x4.add(f32x4.add(a0, b0), ab1));
      v128.store(o + tap, f32x4.add(f32x4.add(a2, b2), ab1));
      v128.store(o + 2 * tap, f32x4.add(f32x4.add(b0, c0), bc1));
      v128.store(o + 3 * tap, f32x4.add(f32x4.add(b2, c2), bc1));
    }
  }
}
