/** softprompt itself: the wasm package of the page, on WebGPU or on the CPU. */
import { firstPrompt } from "./task.js";

/** One encoder for both devices, as in the page. */
let model;

export async function ours(device, { wasm, encoder, config, classes, batches }) {
  const { config: json, tokenizer, model: weights } = encoder.files;
  model ??= wasm.Model.load("all-MiniLM-L6-v2", json, tokenizer, weights);
  const texts = batches.flatMap((batch) => batch.tokens);
  const stepper = await wasm.Stepper.start(
    model,
    Uint32Array.from(texts.flat()),
    Uint32Array.from(texts.map((text) => text.length)),
    Uint32Array.from(batches.flatMap((batch) => batch.labels)),
    classes,
    firstPrompt(encoder),
    { ...config, device },
  );
  return {
    device: stepper.device,
    step: (i) => stepper.step(i),
    end: () => stepper.free(),
  };
}
