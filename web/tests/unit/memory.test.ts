import { describe, expect, it } from "vitest";
import { checkMemory, checkTraining, Resident } from "../../src/lib/memory";

const GB = 1e9;
const encoder = (bytes: number, largest = 1e6) => ({ layers: 2, hidden: 8, bytes, largest });

describe("memory of the page", () => {
  it("has room for an encoder alone that it has not beside another", () => {
    const resident = new Resident();
    checkMemory(encoder(1.3 * GB), 1.3 * GB, resident.bytes);
    resident.hold("model", { bytes: 1.3 * GB });
    const load = () => checkMemory(encoder(1.3 * GB), 1.3 * GB, resident.bytes);
    expect(load).toThrow(expect.objectContaining({ code: "model", message: expect.stringContaining("take 1.3 GB") as string }));
    resident.hold("model", undefined);
    expect(load).not.toThrow();
    expect(() => checkMemory(encoder(2 * GB), 2 * GB, 0)).toThrow(expect.objectContaining({ message: expect.stringContaining("needs 4.0 GB") as string }));
    expect(() => checkMemory(encoder(1, 200), 1, 0, 100)).toThrow(expect.objectContaining({ message: expect.stringContaining("GPU") as string }));
  });

  it("counts an encoder once, whoever holds it, and for as long as somebody does", () => {
    const resident = new Resident();
    const [first, second] = [{ bytes: 5 }, { bytes: 5 }];
    resident.hold("model", first);
    resident.hold("run", first);
    expect(resident.bytes).toBe(5);
    // Another encoder is chosen: the result on the screen still has the first.
    resident.hold("model", second);
    expect(resident.bytes).toBe(10);
    resident.hold("run", second);
    expect(resident.bytes).toBe(5);
  });

  it("is judged before a training, with the partial encoders that some methods make", () => {
    const weights = { bytes: 1.2 * GB };
    expect(() => checkTraining(weights, true, 1.2 * GB)).not.toThrow();
    expect(() => checkTraining(weights, false, 3 * GB)).not.toThrow();
    expect(() => checkTraining(weights, true, 3 * GB)).toThrow(expect.objectContaining({ message: expect.stringContaining("4.2 GB") as string }));
  });
});
