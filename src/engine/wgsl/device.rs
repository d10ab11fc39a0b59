//! [`Gpu`]: the wgpu device that the engine computes on and that burn is given too.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::error::{Error, Result};

/// A wgpu device with its queue. It belongs into an `Arc`, never into a `thread_local!`: dropping wgpu objects at thread exit
/// panics natively.
#[derive(Debug)]
pub struct Gpu {
    /// Where the adapter comes from; burn wants it too.
    pub instance: wgpu::Instance,
    /// The hardware, or what stands in for it.
    pub adapter: wgpu::Adapter,
    /// The device, with all of the adapter's features and limits.
    pub device: wgpu::Device,
    /// The one queue that burn shares.
    pub queue: wgpu::Queue,
    /// Name, type and backend of the adapter.
    pub info: wgpu::AdapterInfo,
    /// The first error that no call returned.
    error: Arc<Mutex<Option<Raised>>>,
    /// Pipelines that were compiled on it, by their source with its overrides: a second encoder, a partial one of a stage of training,
    /// has most of them in common with the first.
    pub(super) pipelines: Arc<Mutex<HashMap<String, wgpu::ComputePipeline>>>,
}

/// An error that no call returned.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Raised {
    text: String,
    /// The device has no memory left.
    memory: bool,
}

impl Gpu {
    /// Opens the fastest adapter there is; a software one where there is nothing else.
    ///
    /// # Errors
    /// [`Error::Device`] where there is no adapter or it refuses a device.
    pub async fn open() -> Result<Self> {
        Self::open_within(|limits| limits).await
    }

    /// [`Gpu::open`] with other limits than the adapter's own, none of them wider: what a smaller GPU would say.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub async fn open_within(limits: impl FnOnce(wgpu::Limits) -> wgpu::Limits) -> Result<Self> {
        // Not OpenGL: its compute is a subset, and looking for it complains about a missing display on servers.
        let backends = wgpu::Backends::PRIMARY;
        let instance =
            wgpu::Instance::new(wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() });
        let options =
            wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
        let adapter = instance.request_adapter(&options).await.map_err(|error| {
            Error::device(
                format!("there is no GPU adapter: {error}"),
                "use a browser with WebGPU, or a driver for Vulkan, Metal or DX12; the CPU works everywhere",
            )
        })?;
        // burn's compiler looks at the adapter's features, not at the device's: the device must have them all, except for
        // memory that the CPU sees (slow for everything else) and the experimental ones, which burn's WGSL does not use.
        let unwanted = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS | wgpu::Features::all_experimental_mask();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("softprompt"),
            required_features: adapter.features().difference(unwanted),
            required_limits: limits(adapter.limits()),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| {
            Error::device(
                format!("the GPU adapter gives no device: {error}"),
                "close other programs that use the GPU, or use the CPU",
            )
        })?;
        #[cfg(test)]
        DEVICES.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let info = adapter.get_info();
        let gpu = Self { instance, adapter, device, queue, info, error: Arc::default(), pipelines: Arc::default() };
        gpu.watch();
        Ok(gpu)
    }

    /// Keeps the first error that no call returns, and the loss of the device, for [`Self::check`]. To be called again after
    /// burn has been given the device, because burn installs handlers of its own, which panic.
    pub fn watch(&self) {
        let error = self.error.clone();
        self.device
            .on_uncaptured_error(Arc::new(move |raised: wgpu::Error| store(&error, raised.to_string(), is_memory(&raised))));
        let error = self.error.clone();
        self.device.set_device_lost_callback(move |reason, message| {
            // A device that is dropped is "lost" too.
            if reason != wgpu::DeviceLostReason::Destroyed {
                store(&error, format!("the device was lost: {message}"), false);
            }
        });
    }

    /// The first error that the device raised outside of a call. The results of all work since are worthless.
    ///
    /// # Errors
    /// [`Error::Device`] with its text; [`Error::DeviceMemory`] where memory ran out.
    pub fn check(&self) -> Result<()> {
        match &*lock(&self.error) {
            None => Ok(()),
            Some(Raised { text, memory: true }) => {
                let problem = format!("the GPU ({}) has not enough memory: {text}", self.name());
                Err(Error::device_memory(problem, "use a smaller batch size, a smaller encoder, or the CPU"))
            }
            Some(Raised { text, memory: false }) => {
                let problem = format!("the GPU ({}) failed: {text}", self.name());
                Err(Error::device(problem, "start again with a smaller batch, or use the CPU"))
            }
        }
    }

    /// Waits for all work and lets go of what was dropped meanwhile. The browser does so by itself.
    pub(super) fn collect(&self) {
        #[cfg(not(target_family = "wasm"))]
        // A device that was lost has nothing left to wait for.
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
    }

    /// Reports an error found outside of a call to [`Self::check`].
    pub(super) fn report(&self, problem: String) {
        store(&self.error, problem, false);
    }

    /// What a person would call the adapter, such as `NVIDIA H200 (Vulkan)`.
    #[must_use]
    pub fn name(&self) -> String {
        let name = match self.info.name.as_str() {
            // Browsers may keep it to themselves.
            "" => "GPU",
            name => name,
        };
        let backend = match self.info.backend {
            wgpu::Backend::BrowserWebGpu => "WebGPU".to_owned(),
            backend => format!("{backend:?}"),
        };
        format!("{name} ({backend})")
    }

    /// Whether the "GPU" is computed by the CPU (lavapipe, SwiftShader, WARP).
    #[must_use]
    pub fn is_software(&self) -> bool {
        is_software(&self.info)
    }

    /// Bytes of the largest storage buffer that a kernel can be given.
    pub(crate) fn largest_binding(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// A storage buffer of at least `bytes` that may be copied from and to.
    ///
    /// # Errors
    /// [`Error::DeviceMemory`] where it is larger than the device binds.
    pub(super) fn storage(&self, label: &str, bytes: u64) -> Result<wgpu::Buffer> {
        let largest = self.largest_binding();
        if bytes > largest {
            return Err(Error::device_memory(
                format!("{label} needs {bytes} bytes, but this GPU binds {largest} at most"),
                "use a smaller batch size or shorter texts, or use the CPU",
            ));
        }
        Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            // No binding is empty, and none is smaller than one vector.
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

    /// The first `len` values of a buffer, after all work submitted so far. It blocks natively and awaits in the browser.
    ///
    /// # Errors
    /// [`Error::Device`] where the device raised an error, also an earlier one.
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
            // The cause, where there is one, says more than its consequence.
            self.check().err().unwrap_or_else(|| {
                Error::device(format!("reading from the GPU failed: {error}"), "start again with a smaller batch, or use the CPU")
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

/// Devices that were opened.
#[cfg(test)]
pub(in crate::engine) static DEVICES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// The state of a mapping on its way.
#[derive(Default)]
struct Mapped {
    result: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

/// Browsers hide the type of an adapter, wgpu reads its fallback flag as [`wgpu::DeviceType::Cpu`]; the names are those of
/// Mesa, Chromium and Windows.
fn is_software(info: &wgpu::AdapterInfo) -> bool {
    let text = format!("{} {} {}", info.name, info.driver, info.driver_info).to_lowercase();
    let names = ["llvmpipe", "lavapipe", "softpipe", "swiftshader", "basic render"];
    info.device_type == wgpu::DeviceType::Cpu || names.iter().any(|name| text.contains(name))
}

/// Whether an error says that there is no memory.
pub(super) fn is_memory(error: &wgpu::Error) -> bool {
    matches!(error, wgpu::Error::OutOfMemory { .. })
}

fn store(error: &Mutex<Option<Raised>>, text: String, memory: bool) {
    lock(error).get_or_insert(Raised { text, memory });
}

/// A panic elsewhere while a lock was held leaves nothing half-written in this module's values.
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
