//! Opens the compute device, tests it, and chooses between GPU and CPU by measurement.

use std::sync::Arc;

use burn::tensor::wgpu::{MemoryConfiguration, WgpuSetup};
use burn::tensor::{Device, Tensor};
use web_time::Instant;

use super::boundary::{FrozenEncoder, Inputs, Prompt};
use super::cpu::fast::vectors;
use super::cpu_engine::CpuEngine;
use super::wgsl::{device::Gpu, encoder::WgslEncoder, tune};
use super::wgsl_engine::WgslEngine;
use super::{Pooling, check_batch};
use crate::config::DeviceChoice;
use crate::data::batch::PackedBatch;
use crate::error::{Error, Result};
use crate::model::spec::EncoderWeights;

/// A frozen encoder on a device, with burn's device for everything that is trained. Cheap to clone.
#[derive(Clone)]
pub struct Compute {
    /// The encoder, one differentiable operation.
    pub encoder: FrozenEncoder,
    /// burn's plain device (without autodiff) on the same hardware.
    pub device: Device,
    /// The displayed name, such as `NVIDIA H200 (Vulkan)` or `CPU`.
    pub name: String,
    /// What the last bits may depend on: the kind of processor with its vector instructions, or the GPU with its driver.
    pub machine: String,
    /// Whether it is the GPU.
    pub gpu: bool,
    /// Whether it is a software GPU, which computes on the CPU (lavapipe, SwiftShader).
    pub software: bool,
}

impl Compute {
    /// The CPU.
    #[must_use]
    pub fn cpu(weights: &Arc<EncoderWeights>) -> Self {
        Self {
            encoder: FrozenEncoder::on_cpu(CpuEngine::new(weights)),
            device: Device::flex(),
            name: "CPU".to_owned(),
            machine: format!("CPU ({})", vectors()),
            gpu: false,
            software: false,
        }
    }

    /// The GPU: opens it, compiles every kernel, and checks each of them against its CPU twin.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no GPU adapter, a kernel does not compile, or a kernel computes wrong results; it is named.
    pub async fn gpu(weights: &Arc<EncoderWeights>) -> Result<Self> {
        Self::on_program(program_gpu().await?, weights).await
    }

    /// Uses an open GPU, exclusively.
    ///
    /// # Errors
    /// As [`Compute::gpu`].
    pub async fn on(gpu: Gpu, weights: &Arc<EncoderWeights>) -> Result<Self> {
        Self::with(Opened::new(Arc::new(gpu))?, weights).await
    }

    async fn on_program(gpu: Arc<Gpu>, weights: &Arc<EncoderWeights>) -> Result<Self> {
        Self::with(Opened::of(gpu)?, weights).await
    }

    async fn with(Opened { gpu, device }: Opened, weights: &Arc<EncoderWeights>) -> Result<Self> {
        let encoder = WgslEncoder::new(gpu.clone(), weights).await?;
        encoder.self_test().await?;
        gpu.check()?;
        Ok(Self {
            encoder: FrozenEncoder::on_gpu(WgslEngine::new(encoder)),
            device,
            name: gpu.name(),
            machine: tune::adapter(&gpu),
            gpu: true,
            software: gpu.is_software(),
        })
    }

    /// Seconds of one untracked pass over a batch, including the read-back.
    async fn time(&self, batch: &Arc<PackedBatch>, hidden: usize) -> Result<f64> {
        let prompt = Tensor::<2>::zeros([batch.prompt_length().max(1), hidden], &self.device);
        let begin = Instant::now();
        let pooled = self.encoder.encode(batch, Inputs::new(Prompt::Shared(prompt)), Pooling::Mean)?;
        read(pooled).await?;
        self.encoder.check()?;
        Ok(begin.elapsed().as_secs_f64())
    }
}

/// A GPU with burn's device on it.
#[derive(Clone)]
struct Opened {
    gpu: Arc<Gpu>,
    device: Device,
}

/// The GPU opened by [`program_gpu`], and burn's device on it once it is needed.
type Program = Option<(Arc<Gpu>, Option<Device>)>;

/// The GPU of this program. burn never releases a device, nor the kernels compiled for it: each further device would use memory
/// until the program ends, and time to compile the kernels again.
#[cfg(not(target_family = "wasm"))]
fn with_program<T>(f: impl FnOnce(&mut Program) -> T) -> T {
    static PROGRAM: std::sync::Mutex<Program> = std::sync::Mutex::new(None);
    f(&mut PROGRAM.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// The same in a browser, where wgpu's objects stay on their thread, the worker that owns the GPU.
#[cfg(target_family = "wasm")]
fn with_program<T>(f: impl FnOnce(&mut Program) -> T) -> T {
    thread_local!(static PROGRAM: std::cell::RefCell<Program> = const { std::cell::RefCell::new(None) });
    PROGRAM.with_borrow_mut(f)
}

/// The GPU of this program: the one opened earlier, unless it has failed since. Concurrent calls get the same one.
///
/// # Errors
/// As [`Gpu::open`].
pub async fn program_gpu() -> Result<Arc<Gpu>> {
    let working = |program: &mut Program| program.as_ref().filter(|(gpu, _)| gpu.check().is_ok()).map(|(gpu, _)| gpu.clone());
    #[cfg(not(target_family = "wasm"))]
    return with_program(|program| match working(program) {
        Some(gpu) => Ok(gpu),
        None => {
            // Natively, nothing in it waits for something that needs this thread.
            let gpu = Arc::new(pollster::block_on(Gpu::open())?);
            *program = Some((gpu.clone(), None));
            Ok(gpu)
        }
    });
    #[cfg(target_family = "wasm")]
    {
        if let Some(gpu) = with_program(working) {
            return Ok(gpu);
        }
        let gpu = Arc::new(Gpu::open().await?);
        // Another call may have opened one in the meantime; the first one is used.
        Ok(with_program(|program| working(program).unwrap_or_else(|| program.insert((gpu, None)).0.clone())))
    }
}

impl Opened {
    /// burn's device on [`program_gpu`], created once.
    fn of(gpu: Arc<Gpu>) -> Result<Self> {
        with_program(|program| match program {
            Some((known, device)) if Arc::ptr_eq(known, &gpu) => {
                if let Some(device) = device {
                    return Ok(Self { gpu, device: device.clone() });
                }
                let new = Self::new(gpu)?;
                *device = Some(new.device.clone());
                Ok(new)
            }
            _ => Self::new(gpu),
        })
    }

    fn new(gpu: Arc<Gpu>) -> Result<Self> {
        let setup = WgpuSetup {
            instance: gpu.instance.clone(),
            adapter: gpu.adapter.clone(),
            device: gpu.device.clone(),
            queue: gpu.queue.clone(),
            backend: gpu.info.backend,
        };
        let device = Device::wgpu_options()
            .setup(setup)
            // Trained tensors are small; the default's shared pages would take several times as much memory.
            .memory_config(MemoryConfiguration::ExclusivePages)
            .init()
            .map_err(|error| Error::device(format!("burn cannot use this GPU: {error}"), "choose the CPU as device"))?;
        // burn installs handlers that panic; ours store the first error for `check`.
        gpu.watch();
        Ok(Self { gpu, device })
    }
}

/// A device with the reason for choosing it.
#[derive(Clone)]
pub struct Chosen {
    /// The device.
    pub compute: Compute,
    /// The reason, in a sentence.
    pub reason: String,
}

/// Opens the device for `choice`. [`DeviceChoice::Auto`] uses the CPU if there is no GPU adapter, or it is a software GPU or
/// computes wrong results; otherwise it times both on `sample` (a batch of this run) and uses the faster one.
///
/// # Errors
/// [`Error::Device`] if `choice` is [`DeviceChoice::Gpu`] and the GPU cannot be used; [`Error::Model`] if `sample` does not fit
/// the encoder.
pub async fn choose(weights: &Arc<EncoderWeights>, choice: DeviceChoice, sample: &Arc<PackedBatch>) -> Result<Chosen> {
    check_batch(sample, &weights.spec)?;
    let cpu = |reason: String| Chosen { compute: Compute::cpu(weights), reason };
    match choice {
        DeviceChoice::Cpu => Ok(cpu(CHOSEN_BY_YOU.to_owned())),
        DeviceChoice::Gpu => Ok(Chosen { compute: Compute::gpu(weights).await?, reason: CHOSEN_BY_YOU.to_owned() }),
        DeviceChoice::Auto => {
            let gpu = match program_gpu().await {
                Ok(gpu) => gpu,
                Err(error) => return Ok(cpu(format!("no usable GPU: {error}"))),
            };
            if gpu.is_software() {
                return Ok(cpu(format!("{} is a software GPU; the CPU is faster", gpu.name())));
            }
            let gpu = match Compute::on_program(gpu, weights).await {
                Ok(gpu) => gpu,
                Err(error) => return Ok(cpu(format!("the GPU cannot be used: {error}"))),
            };
            faster(gpu, Compute::cpu(weights), sample, weights.spec.hidden).await
        }
    }
}

/// Times both on the sample, after one warm-up pass each.
async fn faster(gpu: Compute, cpu: Compute, sample: &Arc<PackedBatch>, hidden: usize) -> Result<Chosen> {
    let timed = async {
        gpu.time(sample, hidden).await?;
        gpu.time(sample, hidden).await
    };
    let on_gpu = match timed.await {
        Ok(seconds) => seconds,
        Err(error) => return Ok(Chosen { compute: cpu, reason: format!("the GPU failed its first pass: {error}") }),
    };
    cpu.time(sample, hidden).await?;
    let on_cpu = cpu.time(sample, hidden).await?;
    let reason = format!("a forward pass takes {:.0} ms on the GPU and {:.0} ms on the CPU", on_gpu * 1e3, on_cpu * 1e3);
    Ok(Chosen { compute: if on_gpu <= on_cpu { gpu } else { cpu }, reason })
}

/// The reason if the user has chosen the device.
pub const CHOSEN_BY_YOU: &str = "chosen by you";

/// A description of the GPU, before anything is loaded.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct DeviceReport {
    /// Whether there is a GPU adapter.
    pub gpu: bool,
    /// Its name, or an empty string.
    pub name: String,
    /// Whether it is a software GPU.
    pub software: bool,
    /// Size of the largest buffer for a kernel in bytes; 0 without a GPU adapter.
    pub largest_buffer: f64,
    /// What the automatic choice will do, and why.
    pub reason: String,
}

/// Detects the GPU.
pub async fn detect() -> DeviceReport {
    match program_gpu().await {
        Ok(gpu) => {
            let (name, software) = (gpu.name(), gpu.is_software());
            let reason = if software {
                format!("{name} is a software GPU: the CPU is faster and will be used")
            } else {
                format!("{name} and the CPU will be timed on your data, and the faster one will be used")
            };
            DeviceReport { gpu: true, name, software, largest_buffer: gpu.largest_binding() as f64, reason }
        }
        Err(error) => DeviceReport {
            gpu: false,
            name: String::new(),
            software: false,
            largest_buffer: 0.0,
            reason: format!("WebGPU cannot be used ({error}): the CPU will be used"),
        },
    }
}

/// The values of a tensor, row-major, without blocking the thread (a blocking read panics in wasm).
///
/// # Errors
/// [`Error::Device`] if the device was lost.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let lost = |error: String| Error::device(format!("reading from the device failed: {error}"), "try again, or use the CPU");
    let data = tensor.into_data_async().await.map_err(|error| lost(error.to_string()))?;
    data.try_to_vec::<f32>().map_err(|error| lost(format!("{error:?}")))
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::sync::atomic::Ordering;

    use pollster::block_on;

    use super::*;
    use crate::data::batch::Example;
    use crate::engine::wgsl::device::DEVICES;
    use crate::model::spec::{EncoderSpec, LayerWeights, LinearWeights, NormWeights};

    fn weights() -> Arc<EncoderWeights> {
        let spec = EncoderSpec { layers: 1, hidden: 16, heads: 4, ffn: 32, vocab: 8, max_positions: 8, layer_norm_eps: 1e-12 };
        let linear = |rows: usize, columns: usize| LinearWeights { weight: vec![0.1; rows * columns], bias: vec![0.0; rows] };
        let norm = || NormWeights { gamma: vec![1.0; 16], beta: vec![0.0; 16] };
        let layer = LayerWeights {
            qkv: linear(48, 16),
            attention_out: linear(16, 16),
            attention_norm: norm(),
            ffn_in: linear(32, 16),
            ffn_out: linear(16, 32),
            ffn_norm: norm(),
        };
        Arc::new(EncoderWeights {
            word: Arc::new((0..8 * 16).map(|i| i as f32).collect()),
            position: vec![0.5; 8 * 16],
            embed_norm: norm(),
            layers: vec![layer],
            pooler: None,
            spec,
        })
    }

    /// The only test of this binary that opens a GPU. A program has only one, whatever it does.
    #[test]
    fn a_program_opens_one_gpu() {
        if let Err(error) = block_on(Gpu::open()) {
            assert!(std::env::var("REQUIRE_GPU").is_err(), "a GPU is needed: {error}");
            return;
        }
        let before = DEVICES.load(Ordering::SeqCst);
        let sample = Arc::new(PackedBatch::new(&[Example { tokens: vec![1, 2, 3], label: 0 }], 0));
        let work = || {
            block_on(async {
                assert!(detect().await.gpu);
                choose(&weights(), DeviceChoice::Auto, &sample).await.expect("a device");
                choose(&weights(), DeviceChoice::Gpu, &sample).await.expect("the GPU");
                Compute::gpu(&weights()).await.expect("the GPU");
            });
        };
        std::thread::scope(|scope| {
            (0..2).for_each(|_| drop(scope.spawn(work)));
        });
        work();
        assert_eq!(DEVICES.load(Ordering::SeqCst) - before, 1, "devices that were opened");
    }
}
