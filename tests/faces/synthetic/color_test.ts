import { equal, ok } from "node:assert/strict";
import { css, lch, mix, ramp, shift } from "../../../faces/synthetic/color.ts";

Deno.test("css() agrees with the colours that OKLab's author gives", () => {
  equal(css({ l: 1, a: 0, b: 0 }), "#ffffff");
  equal(css({ l: 0, a: 0, b: 0 }), "#000000");
  // sRGB red, green and blue in OKLab.
  equal(css({ l: 0.627955, a: 0.224863, b: 0.125846 }), "#ff0000");
  equal(css({ l: 0.86644, a: -0.233888, b: 0.179498 }), "#00ff00");
  equal(css({ l: 0.452014, a: -0.032457, b: -0.311528 }), "#0000ff");
});

Deno.test("css() clips what a screen cannot show", () => {
  equal(css(lch(1.2, 0, 0)), "#ffffff");
  equal(css(lch(-0.2, 0, 0)), "#000000");
});

Deno.test("mix() and shift() move evenly, ramp() passes through its colours", () => {
  const [dark, light] = [lch(0.2, 0.1, 30), lch(0.8, 0.1, 30)];
  ok(Math.abs(mix(dark, light, 0.25).l - 0.35) < 1e-12);
  ok(Math.abs(shift(dark, 0.1).l - 0.3) < 1e-12);
  const table = [dark, lch(0.5, 0, 0), light];
  equal(css(ramp(table, 0)), css(dark));
  equal(css(ramp(table, 0.5)), css(table[1]));
  equal(css(ramp(table, 1)), css(light));
  equal(css(ramp(table, 7)), css(light));
});
