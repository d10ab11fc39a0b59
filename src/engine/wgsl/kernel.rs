//! A compiled kernel, and a dispatch of it. Every pipeline is created inside an error scope, because a browser does not report a
//! broken shader otherwise: the output is left unchanged.

use super::device::{Gpu, is_memory, lock};
use super::recorder::{DispatchSize, KernelCost, Step};
use super::source::Shader;
use crate::engine::GradRows;
use crate::error::{Error, Result};

/// A compiled kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The kernel's name.
    pub name: &'static str,
    pipeline: wgpu::ComputePipeline,
}

impl Kernel {
    /// Compiles a shader, or returns the pipeline that this device already has. Compilation starts with the call: call it for
    /// several shaders before awaiting the first, and they are compiled in parallel if the device can.
    ///
    /// # Errors
    /// [`Error::Device`] with the kernel's name and the compiler's message.
    pub fn compile(gpu: &Gpu, shader: &Shader) -> impl Future<Output = Result<Self>> + use<> {
        let name = shader.name;
        let compiled = gpu.pipelines.clone();
        let begun = shader.source().map(|source| {
            let key = format!("{:?}\n{source}", shader.overrides);
            let known = lock(&compiled).get(&key).cloned();
            known.ok_or_else(|| (key, Self::begin(gpu, shader, source)))
        });
        async move {
            let (key, (pipeline, [validation, memory, internal])) = match begun? {
                Ok(pipeline) => return Ok(Self { name, pipeline }),
                Err(new) => new,
            };
            if let Some(error) = validation.await.or(memory.await).or(internal.await) {
                if is_memory(&error) {
                    let problem = format!("the GPU does not have enough memory for the kernel {name}: {error}");
                    return Err(Error::device_memory(problem, "close other programs that use the GPU, or use the CPU"));
                }
                return Err(Error::device(
                    format!("the GPU rejects the kernel {name}: {error}"),
                    "update the browser or the driver, or use the CPU; please report this message",
                ));
            }
            lock(&compiled).insert(key, pipeline.clone());
            Ok(Self { name, pipeline })
        }
    }

    /// The pipeline, and its future error.
    fn begin(
        gpu: &Gpu,
        shader: &Shader,
        source: String,
    ) -> (wgpu::ComputePipeline, [impl Future<Output = Option<wgpu::Error>> + use<>; 3]) {
        // One scope per filter: a driver's own compiler fails with an internal error.
        let internal = gpu.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(shader.name),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &shader.overrides,
                // The kernels write workgroup memory before they read it; browsers zero it in any case.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        // The scopes are closed here, innermost first; their errors may arrive later.
        (pipeline, [validation.pop(), memory.pop(), internal.pop()])
    }

    /// A dispatch of this kernel: its storage buffers by binding, its parameter block, and its amount of work.
    pub(super) fn step<P: bytemuck::Pod>(
        &self,
        launch: &Launch<'_>,
        buffers: &[(u32, &wgpu::Buffer)],
        params: &P,
        dispatch: DispatchSize,
    ) -> Step {
        let resources: Vec<_> = buffers.iter().map(|&(binding, buffer)| (binding, buffer.as_entire_binding())).collect();
        self.step_with(launch, &resources, params, dispatch)
    }

    /// [`Self::step`] with bindings that need not be buffers.
    pub(super) fn step_with<P: bytemuck::Pod>(
        &self,
        launch: &Launch<'_>,
        resources: &[(u32, wgpu::BindingResource<'_>)],
        params: &P,
        dispatch: DispatchSize,
    ) -> Step {
        let params = launch.gpu.uniform(self.name, params);
        let group = |index: u32, resources: &[(u32, wgpu::BindingResource<'_>)]| {
            let entries: Vec<_> = resources
                .iter()
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding: *binding, resource: resource.clone() })
                .collect();
            launch.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(self.name),
                layout: &self.pipeline.get_bind_group_layout(index),
                entries: &entries,
            })
        };
        Step {
            label: self.name.to_owned(),
            cost: KernelCost::default(),
            rows: launch.rows,
            pipeline: self.pipeline.clone(),
            buffers: group(0, resources),
            uniforms: group(1, &[(0, params.as_entire_binding()), (1, launch.batch.as_entire_binding())]),
            dispatch,
        }
    }
}

/// The common inputs of all steps.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// The uniform with the current [`super::recorder::BatchSize`], matching `rows`.
    pub batch: &'a wgpu::Buffer,
    /// Whether the step works on all rows, or only on the prompt rows.
    pub rows: GradRows,
}

/// Numbers the storage buffers of a kernel from 0, in the order of its bindings.
pub(super) fn bindings<const N: usize>(buffers: [&wgpu::Buffer; N]) -> [(u32, &wgpu::Buffer); N] {
    let mut binding = 0..;
    buffers.map(|buffer| (binding.next().unwrap_or_default(), buffer))
}

/// Compiles several kernels in parallel, on all threads or as the browser decides, and returns each with its key.
pub(super) async fn compile_all<K: Copy + Send + Sync>(gpu: &Gpu, shaders: &[(K, Shader)]) -> Result<Vec<(K, Kernel)>> {
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
        let compile = |(key, shader): &(K, Shader)| Ok((*key, pollster::block_on(Kernel::compile(gpu, shader))?));
        shaders.par_iter().map(compile).collect()
    }
    #[cfg(target_family = "wasm")]
    {
        let begun: Vec<_> = shaders.iter().map(|(key, shader)| (*key, Kernel::compile(gpu, shader))).collect();
        let mut kernels = Vec::new();
        for (key, kernel) in begun {
            kernels.push((key, kernel.await?));
        }
        Ok(kernels)
    }
}
