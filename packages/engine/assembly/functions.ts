/**
 * Activation functions and their derivatives, four lanes at a time. The exponential, the hyperbolic
 * tangent and their coefficients are those of Cephes (Moshier); the error function is formula 7.1.26
 * of Abramowitz and Stegun, as in TensorFlow.js. Absolute errors are below 1e-6.
 */
import { Activation } from "./abi";
import { activate, activateGradient, madd } from "./simd";

@inline function splat(x: f32): v128 { return f32x4.splat(x); }
@inline function above0(x: v128, yes: v128, no: v128): v128 {
  return v128.bitselect(yes, no, f32x4.gt(x, splat(0)));
}

@inline export function exp4(x: v128): v128 {
  x = f32x4.min(f32x4.max(x, splat(-87)), splat(88));
  const n = f32x4.nearest(f32x4.mul(x, splat(1.44269504)));
  const r = madd(n, splat(2.12194440e-4), madd(n, splat(-0.693359375), x));
  let p = madd(splat(1.9875691500e-4), r, splat(1.3981999507e-3));
  p = madd(p, r, splat(8.3334519073e-3));
  p = madd(p, r, splat(4.1665795894e-2));
  p = madd(p, r, splat(1.6666665459e-1));
  p = madd(p, r, splat(5.0000001201e-1));
  const y = f32x4.add(madd(p, f32x4.mul(r, r), r), splat(1));
  return f32x4.mul(y, i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23));
}

@inline function sigmoid4(x: v128): v128 {
  return f32x4.div(splat(1), f32x4.add(splat(1), exp4(f32x4.neg(x))));
}

@inline function tanh4(x: v128): v128 {
  const size = f32x4.abs(x), z = f32x4.mul(x, x);
  let p = madd(splat(-5.70498872745e-3), z, splat(2.06390887954e-2));
  p = madd(p, z, splat(-5.37397155531e-2));
  p = madd(p, z, splat(1.33314422036e-1));
  p = madd(p, z, splat(-3.33332819422e-1));
  const small = madd(f32x4.mul(p, z), x, x);
  const e = exp4(f32x4.add(size, size));
  const large = f32x4.sub(splat(1), f32x4.div(splat(2), f32x4.add(e, splat(1))));
  const signed = v128.or(large, v128.and(x, splat(-0.0)));
  return v128.bitselect(small, signed, f32x4.lt(size, splat(0.625)));
}

@inline function erf4(x: v128): v128 {
  const size = f32x4.abs(x);
  const t = f32x4.div(splat(1), madd(size, splat(0.3275911), splat(1)));
  let p = madd(splat(1.061405429), t, splat(-1.453152027));
  p = madd(p, t, splat(1.421413741));
  p = madd(p, t, splat(-0.284496736));
  p = madd(p, t, splat(0.254829592));
  const e = f32x4.mul(f32x4.mul(p, t), exp4(f32x4.neg(f32x4.mul(x, x))));
  return v128.or(f32x4.sub(splat(1), e), v128.and(x, splat(-0.0)));
}

/** log(1 + exp(x)), by the series of the inverse hyperbolic tangent. */
@inline function softplus4(x: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  const s = f32x4.div(e, f32x4.add(e, splat(2))), z = f32x4.mul(s, s);
  let p = madd(splat(2.0 / 13), z, splat(2.0 / 11));
  p = madd(p, z, splat(2.0 / 9));
  p = madd(p, z, splat(2.0 / 7));
  p = madd(p, z, splat(2.0 / 5));
  p = madd(p, z, splat(2.0 / 3));
  return f32x4.add(f32x4.max(x, splat(0)), f32x4.mul(s, madd(p, z, splat(2))));
}

/** tanh(log(1 + exp(x))). */
@inline function mish4(x: v128): v128 {
  const e = exp4(f32x4.min(x, splat(30))), q = f32x4.mul(e, f32x4.add(e, splat(2)));
  return f32x4.div(q, f32x4.add(q, splat(2)));
}

/** Activations of several instructions: a call, because they would be too long in every loop. */
function curve(kind: i32, x: v128, alpha: v128): v128 {
  const one = splat(1);
  switch (kind) {
    case Activation.relu6: return f32x4.min(f32x4.max(x, splat(0)), alpha);
    case Activation.elu: return above0(x, x, f32x4.sub(exp4(x), one));
    case Activation.selu: return f32x4.mul(splat(1.0507009873554805), above0(
      x, x, f32x4.mul(splat(1.6732632423543772), f32x4.sub(exp4(x), one))));
    case Activation.swish: return f32x4.mul(x, sigmoid4(x));
    case Activation.gelu: return f32x4.mul(f32x4.mul(x, splat(0.5)),
      f32x4.add(one, erf4(f32x4.mul(x, splat(0.7071067811865476)))));
    case Activation.mish: return f32x4.mul(x, mish4(x));
    case Activation.tanh: return tanh4(x);
    case Activation.sigmoid: return sigmoid4(x);
    case Activation.hardSigmoid: return f32x4.min(
      f32x4.max(madd(x, splat(0.2), splat(0.5)), splat(0)), one);
    case Activation.softplus: return softplus4(x);
    case Activation.softsign: return f32x4.div(x, f32x4.add(f32x4.abs(x), one));
    default: unreachable();
  }
  return x;
}

/** Derivative of `curve` by x. */
function slope(kind: i32, x: v128, alpha: v128): v128 {
  const one = splat(1), zero = splat(0);
  switch (kind) {
    case Activation.relu6: return v128.and(one, v128.and(f32x4.gt(x, zero), f32x4.le(x, alpha)));
    case Activation.elu: return above0(x, one, exp4(x));
    case Activation.selu: return above0(
      x, splat(1.0507009873554805), f32x4.mul(splat(1.7580993408473768), exp4(x)));
    case Activation.swish: {
      const s = sigmoid4(x);
      return madd(f32x4.mul(x, s), f32x4.sub(one, s), s);
    }
    case Activation.gelu: {
      const e = exp4(f32x4.mul(f32x4.mul(x, x), splat(-0.5)));
      const half = f32x4.mul(splat(0.5), f32x4.add(one, erf4(f32x4.mul(x, splat(0.7071067811865476)))));
      return madd(f32x4.mul(x, splat(0.3989422804014327)), e, half);
    }
    case Activation.mish: {
      const t = mish4(x), rest = f32x4.sub(one, f32x4.mul(t, t));
      return madd(f32x4.mul(x, rest), sigmoid4(x), t);
    }
    case Activation.tanh: {
      const t = tanh4(x);
      return f32x4.sub(one, f32x4.mul(t, t));
    }
    case Activation.sigmoid: {
      const s = sigmoid4(x);
      return f32x4.mul(s, f32x4.sub(one, s));
    }
    case Activation.hardSigmoid:
      return v128.and(splat(0.2), f32x4.le(f32x4.abs(x), splat(2.5)));
    case Activation.softplus: return sigmoid4(x);
    case Activation.softsign: {
      const s = f32x4.div(one, f32x4.add(f32x4.abs(x), one));
      return f32x4.mul(s, s);
    }
    default: unreachable();
  }
  return x;
}

/** An activation of a vector; with a constant `kind`, the simple ones are inlined. */
@inline export function apply(kind: i32, x: v128, alpha: v128): v128 {
  if (kind <= Activation.leakyRelu) return activate(x, kind, alpha);
  return curve(kind, x, alpha);
}

/** The gradient by x, from that of the activation's output. */
@inline export function applyGradient(kind: i32, d: v128, x: v128, alpha: v128): v128 {
  if (kind <= Activation.leakyRelu) return activateGradient(d, x, kind, alpha);
  return f32x4.mul(d, slope(kind, x, alpha));
}
