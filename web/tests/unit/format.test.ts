import { describe, expect, it } from "vitest";
import {
  bytes,
  count,
  counted,
  duration,
  loss,
  moment,
  operations,
  percent,
  points,
  sentence,
  signedPoints,
  speed,
  timeLeft,
} from "../../src/lib/format";

describe("numbers with their units", () => {
  it("groups thousands and counts things", () => {
    expect(count(50_000)).toBe("50,000");
    expect(counted(1, "row")).toBe("1 row");
    expect(counted(700, "row")).toBe("700 rows");
    expect(counted(2, "class", "classes")).toBe("2 classes");
  });

  it("writes differences with their sign", () => {
    expect(signedPoints(0.0123)).toBe("+1.2");
    expect(signedPoints(-0.0857)).toBe("−8.6");
    expect(signedPoints(-0.0004)).toBe("0.0");
  });

  it("writes operations with a prefix", () => {
    expect(operations(1.234e12)).toBe("1.23 TFLOP");
    expect(operations(999)).toBe("999 FLOP");
    expect(operations(2.5e18)).toBe("2.5 EFLOP");
    expect(operations(0)).toBe("–");
  });

  it("writes shares as percent", () => {
    expect(percent(0.9257)).toBe("92.6%");
    expect(percent(0)).toBe("0.0%");
    expect(percent(1)).toBe("100.0%");
    expect(percent(Number.NaN)).toBe("–");
    expect(points(-0.0857)).toBe("8.6 points");
  });

  it("writes sizes in decimal units", () => {
    expect(bytes(612)).toBe("612 bytes");
    expect(bytes(20_480)).toBe("20.5 kB");
    expect(bytes(466_247)).toBe("466 kB");
    expect(bytes(90_868_376)).toBe("90.9 MB");
    expect(bytes(10_828_900_000)).toBe("10.8 GB");
  });

  it("writes moments, and no nonsense for none", () => {
    expect(moment(new Date(2026, 10, 21, 14, 5).getTime())).toMatch(/21.*2026.*14:05/);
    expect(moment(Number.NaN)).toBe("–");
  });

  it("writes durations", () => {
    expect(duration(0.42)).toBe("0.4 s");
    expect(duration(9.96)).toBe("10 s");
    expect(duration(59.6)).toBe("1 min");
    expect(duration(82)).toBe("1 min 22 s");
    expect(duration(3600)).toBe("1 h");
    expect(duration(7500)).toBe("2 h 5 min");
    expect(duration(Number.NaN)).toBe("–");
    expect(duration(-1)).toBe("–");
  });

  it("does not pretend to know the time left to the second", () => {
    expect(timeLeft(7)).toBe("a few seconds");
    expect(timeLeft(38)).toBe("about 40 s");
    expect(timeLeft(58)).toBe("about 1 min");
    expect(timeLeft(1000)).toBe("about 17 min");
    expect(timeLeft(3 * 3600 + 100)).toBe("about 3 h");
    expect(timeLeft(Infinity)).toBe("–");
  });

  it("writes speed and loss", () => {
    expect(speed(1234.5)).toBe("1,235 tokens/s");
    expect(speed(51_234)).toBe("51.2k tokens/s");
    expect(speed(99_949)).toBe("99.9k tokens/s");
    expect(speed(103_721)).toBe("104k tokens/s");
    expect(speed(Number.NaN)).toBe("–");
    expect(loss(1.94612)).toBe("1.95");
    expect(loss(0.04217)).toBe("0.042");
    expect(loss(Number.NaN)).toBe("–");
  });

  it("makes sentences of the crate's messages", () => {
    expect(sentence("use 1 or more")).toBe("Use 1 or more.");
    expect(sentence("Is that so?")).toBe("Is that so?");
    expect(sentence("b.csv has other columns")).toBe("b.csv has other columns.");
    expect(sentence("b.csv: the file is empty")).toBe("b.csv: the file is empty.");
    expect(sentence("model.safetensors is cut off")).toBe("model.safetensors is cut off.");
    expect(sentence("  ")).toBe("");
  });
});
