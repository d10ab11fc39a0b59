//! [`Gpu`]: the wgpu device that the engine and burn share.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::error::{Error, Result};

/// A wgpu device with its queue. It must be in an `Arc`, never in a `thread_local!`: natively, dropping wgpu objects at thread
/// exit panics.
#[derive(Debug)]
pub struct Gpu {
    /// The instance of the adapter, which burn also needs.
    pub instance: wgpu::Instance,
    /// The hardware or a software GPU.
    pub adapter: wgpu::Adapter,
    /// The device, with all of the adapter's features and limits.
    pub device: wgpu::Device,
    /// The queue that burn shares.
    pub queue: wgpu::Queue,
    /// Name, type and backend of the adapter.
    pub info: wgpu::AdapterInfo,
    /// The first error outside a call.
    error: Arc<Mutex<Option<Raised>>>,
    /// Compiled pipelines by their source and overrides. A second encoder, such as a partial one, shares most of them with the
    /// first.
    pub(super) pipelines: Arc<Mutex<HashMap<String, wgpu::ComputePipeline>>>,
}

/// An error outside a call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Raised {
    text: String,
    /// Whether the device is out of memory.
    memory: bool,
}

impl Gpu {
    /// Opens the fastest GPU adapter; a software GPU only if there is nothing else.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no GPU adapter or it does not provide a device.
    pub async fn open() -> Result<Self> {
        Self::open_within(|limits| limits).await
    }

    /// [`Gpu::open`] with narrower limits than those of the adapter, like a smaller GPU.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub async fn open_within(limits: impl FnOnce(wgpu::Limits) -> wgpu::Limits) -> Result<Self> {
        // Not OpenGL: its compute is a subset, and its detection prints errors on servers without a display.
        let backends = wgpu::Backends::PRIMARY;
        let instance =
            wgpu::Instance::new(wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() });
        let options =
            wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
        let adapter = instance.request_adapter(&options).await.map_err(|error| {
            Error::device(
                format!("no GPU found: {error}"),
                "use a browser with WebGPU or a driver for Vulkan, Metal or DX12, or use the CPU",
            )
        })?;
        // burn's compiler checks the adapter's features instead of the device's, so the device must have all of them, except
        // CPU-visible memory (slow for everything else) and experimental features, which burn's WGSL does not use.
        let unwanted = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS | wgpu::Features::all_experimental_mask();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("softprompt"),
            required_features: adapter.features().difference(unwanted),
            required_limits: limits(adapter.limits()),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| {
            Error::device(format!("the GPU cannot be opened: {error}"), "close other programs that use the GPU, or use the CPU")
        })?;
        #[cfg(test)]
        DEVICES.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let info = adapter.get_info();
        let gpu = Self { instance, adapter, device, queue, info, error: Arc::default(), pipelines: Arc::default() };
        gpu.watch();
        Ok(gpu)
    }

    /// Stores the first error outside a call, and the loss of the device, for [`Self::check`]. To be called again after burn has
    /// received the device, because burn installs its own handlers, which panic.
    pub fn watch(&self) {
        let error = self.error.clone();
        self.device
            .on_uncaptured_error(Arc::new(move |raised: wgpu::Error| store(&error, raised.to_string(), is_memory(&raised))));
        let error = self.error.clone();
        self.device.set_device_lost_callback(move |reason, message| {
            // A dropped device is reported as lost, too.
            if reason != wgpu::DeviceLostReason::Destroyed {
                store(&error, format!("the device was lost: {message}"), false);
            }
        });
    }

    /// The first error that the device raised outside a call. The results of all later work are invalid.
    ///
    /// # Errors
    /// [`Error::Device`] with its text; [`Error::DeviceMemory`] if the device is out of memory.
    pub fn check(&self) -> Result<()> {
        match &*lock(&self.error) {
            None => Ok(()),
            Some(Raised { text, memory: true }) => {
                let problem = format!("the GPU ({}) does not have enough memory: {text}", self.name());
                Err(Error::device_memory(problem, "use a smaller batch size, a smaller encoder, or the CPU"))
            }
            Some(Raised { text, memory: false }) => {
                let problem = format!("the GPU ({}) failed: {text}", self.name());
                Err(Error::device(problem, "try again with a smaller batch size, or use the CPU"))
            }
        }
    }

    /// Waits for all work and frees resources that were dropped in the meantime. Browsers do this themselves.
    pub(super) fn collect(&self) {
        #[cfg(not(target_family = "wasm"))]
        // A lost device has nothing left to wait for.
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
    }

    /// Reports an error outside a call to [`Self::check`].
    pub(super) fn report(&self, problem: String) {
        store(&self.error, problem, false);
    }

    /// The displayed name of the adapter, such as `NVIDIA H200 (Vulkan)`.
    #[must_use]
    pub fn name(&self) -> String {
        let name = match self.info.name.as_str() {
            // Browsers may hide it.
            "" => "GPU",
            name => name,
        };
        let backend = match self.info.backend {
            wgpu::Backend::BrowserWebGpu => "WebGPU".to_owned(),
            backend => format!("{backend:?}"),
        };
        format!("{name} ({backend})")
    }

    /// Whether it is a software GPU, which computes on the CPU (lavapipe, SwiftShader, WARP).
    #[must_use]
    pub fn is_software(&self) -> bool {
        is_software(&self.info)
    }

    /// Size of the largest storage buffer that a kernel can bind, in bytes.
    pub(crate) fn largest_binding(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// A storage buffer of at least `bytes` bytes, usable for copies in both directions.
    ///
    /// # Errors
    /// [`Error::DeviceMemory`] if it is larger than the device can bind.
    pub(super) fn storage(&self, label: &str, bytes: u64) -> Result<wgpu::Buffer> {
        let largest = self.largest_binding();
        if bytes > largest {
            return Err(Error::device_memory(
                format!("{label} needs {bytes} bytes, but the largest buffer of this GPU is {largest} bytes"),
                "use a smaller batch size or shorter texts, or use the CPU",
            ));
        }
        Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            // A binding must not be empty, nor smaller than one vector.
            size: bytes.next_multiple_of(16).max(16),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        }))
    }

    /// A storage buffer for `rows` rows of `width` numbers.
    ///
    /// # Errors
    /// As [`Self::storage`].
    pub(super) fn matrix(&self, label: &str, rows: u32, width: usize) -> Result<wgpu::Buffer> {
        self.storage(label, u64::from(rows) * width as u64 * size_of::<f32>() as u64)
    }

    /// A storage buffer with these contents.
    ///
    /// # Errors
    /// As [`Self::storage`].
    pub(super) fn upload<T: bytemuck::Pod>(&self, label: &str, contents: &[T]) -> Result<wgpu::Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(contents);
        let buffer = self.storage(label, bytes.len() as u64)?;
        self.queue.write_buffer(&buffer, 0, bytes);
        Ok(buffer)
    }

    /// A uniform buffer with these contents.
    pub(super) fn uniform<T: bytemuck::Pod>(&self, label: &str, contents: &T) -> wgpu::Buffer {
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: size_of::<T>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&buffer, 0, bytemuck::bytes_of(contents));
        buffer
    }

    /// The first `len` values of a buffer, after all work submitted so far. Blocks natively and awaits in the browser.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has raised an error, now or earlier.
    pub async fn read(&self, buffer: &wgpu::Buffer, len: usize) -> Result<Vec<f32>> {
        if len == 0 {
            self.check()?;
            return Ok(Vec::new());
        }
        let bytes = (len * size_of::<f32>()) as u64;
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut commands = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("read") });
        commands.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
        self.queue.submit([commands.finish()]);
        let mapped = Arc::new(Mutex::new(Mapped::default()));
        let signal = mapped.clone();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            let mut mapped = lock(&signal);
            mapped.result = Some(result);
            if let Some(waker) = mapped.waker.take() {
                waker.wake();
            }
        });
        let failed = |error: &dyn std::fmt::Display| {
            // The cause, if known, is more informative than its consequence.
            self.check().err().unwrap_or_else(|| {
                Error::device(
                    format!("reading from the GPU failed: {error}"),
                    "try again with a smaller batch size, or use the CPU",
                )
            })
        };
        #[cfg(not(target_family = "wasm"))]
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| failed(&error))?;
        let result = poll_fn(|context| {
            let mut mapped = lock(&mapped);
            match mapped.result.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    mapped.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        result.await.map_err(|error| failed(&error))?;
        self.check()?;
        let view = staging.get_mapped_range(..).map_err(|error| failed(&error))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

/// Number of opened devices.
#[cfg(test)]
pub(in crate::engine) static DEVICES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// The state of a pending mapping.
#[derive(Default)]
struct Mapped {
    result: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

/// Browsers hide the type of an adapter, and wgpu maps its fallback flag to [`wgpu::DeviceType::Cpu`]; the names are those of
/// Mesa, Chromium and Windows.
fn is_software(info: &wgpu::AdapterInfo) -> bool {
    let text = format!("{} {} {}", info.name, info.driver, info.driver_info).to_lowercase();
    let names = ["llvmpipe", "lavapipe", "softpipe", "swiftshader", "basic render"];
    info.device_type == wgpu::DeviceType::Cpu || names.iter().any(|name| text.contains(name))
}

/// Whether an error means that the device is out of memory.
pub(super) fn is_memory(error: &wgpu::Error) -> bool {
    matches!(error, wgpu::Error::OutOfMemory { .. })
}

fn store(error: &Mutex<Option<Raised>>, text: String, memory: bool) {
    lock(error).get_or_insert(Raised { text, memory });
}

/// A panic elsewhere while a lock was held leaves the values of this module consistent.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_kept() {
        let error = Mutex::new(None);
        store(&error, "first".to_owned(), true);
        store(&error, "second".to_owned(), false);
        assert_eq!(*lock(&error), Some(Raised { text: "first".to_owned(), memory: true }));
    }
}
