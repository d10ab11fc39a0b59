//! The devices to test on.

use std::sync::Arc;

use softprompt::config::DeviceChoice;
use softprompt::data::batch::Example;
use softprompt::encoder::Encoder;
use softprompt::engine::compute::{Compute, program_gpu};
use softprompt::engine::wgsl::{device::Gpu, encoder::WgslEncoder};
use softprompt::error::Result;

/// What the page's module does when it is loaded, and the test runner does not.
pub fn begin() {
    #[cfg(target_family = "wasm")]
    softprompt::web::start();
}

/// The GPU that all tests share, or `None` with a word in the log. With `REQUIRE_GPU=1` (in the environment natively, in the
/// build's for the browser) its absence is a failure.
pub async fn adapter(test: &str) -> Option<Arc<Gpu>> {
    begin();
    found(program_gpu().await, test)
}

/// A GPU of a test's own, for one that breaks it.
#[allow(dead_code, reason = "each test binary uses its part")]
pub async fn own_adapter(test: &str) -> Option<Arc<Gpu>> {
    begin();
    found(Gpu::open().await.map(Arc::new), test)
}

fn found(gpu: Result<Arc<Gpu>>, test: &str) -> Option<Arc<Gpu>> {
    let built = option_env!("REQUIRE_GPU").is_some_and(|value| value == "1");
    let required = built || std::env::var("REQUIRE_GPU").is_ok_and(|value| value == "1");
    match gpu {
        Ok(gpu) => Some(gpu),
        Err(error) if required => panic!("{test} needs a GPU: {error}"),
        Err(error) => {
            say(&format!("SKIPPED {test} on the GPU: {error}"));
            None
        }
    }
}

/// The CPU, and the GPU where there is one.
pub async fn computes(model: &Encoder, test: &str) -> Vec<Compute> {
    let mut computes = vec![Compute::cpu(model.weights())];
    if adapter(test).await.is_some() {
        computes.push(Compute::gpu(model.weights()).await.expect("the GPU path"));
    }
    computes
}

/// The WGSL encoder, where there is an adapter.
pub async fn wgsl_encoder(model: &Encoder, test: &str) -> Option<WgslEncoder> {
    let gpu = adapter(test).await?;
    Some(WgslEncoder::new(gpu, model.weights()).await.expect("kernels"))
}

/// A line that is seen natively (with --nocapture) and in the browser's log.
pub fn say(line: &str) {
    #[cfg(target_family = "wasm")]
    wasm_bindgen_test::console_log!("{line}");
    #[cfg(not(target_family = "wasm"))]
    println!("{line}");
}

/// Where a device computes, for tables.
pub fn place(compute: &Compute) -> String {
    let world = if cfg!(target_family = "wasm") { "browser" } else { "native" };
    format!("{} {world}", if compute.gpu { "WGSL" } else { "CPU" })
}

/// Examples of a golden JSON file.
pub fn examples(golden: &serde_json::Value) -> Vec<Example> {
    let numbers = |value: &serde_json::Value| {
        value.as_array().expect("a list").iter().map(|n| n.as_u64().expect("a number") as u32).collect()
    };
    let examples = golden["examples"].as_array().expect("examples");
    examples
        .iter()
        .map(|e| Example { tokens: numbers(&e["tokens"]), label: e["label"].as_u64().expect("a label") as u32 })
        .collect()
}

/// The choices that can be tested: the CPU, and natively the GPU where there is one.
#[allow(dead_code, reason = "each test binary uses its part")]
pub async fn devices(test: &str) -> Vec<DeviceChoice> {
    let gpu = !cfg!(target_family = "wasm") && adapter(test).await.is_some();
    if gpu { vec![DeviceChoice::Cpu, DeviceChoice::Gpu] } else { vec![DeviceChoice::Cpu] }
}
