//! Every variant of every shader through naga, without a GPU: valid, within WebGPU's default limits, no binding unused, layouts
//! equal to their Rust structs; and the one name of each kernel in its four places.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;

use naga::back::pipeline_constants::process_overrides;
use naga::proc::Layouter;
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, ShaderStage, StorageAccess, TypeInner};
use softprompt::engine::RowInfo;
use softprompt::engine::wgsl::attention::Blocking;
use softprompt::engine::wgsl::matmul::{self, Variant};
use softprompt::engine::wgsl::recorder::BatchSize;
use softprompt::engine::wgsl::source::{FILES, Shader};
use softprompt::engine::wgsl::tile::Tile;
use softprompt::engine::wgsl::{
    attention, attention_grad_key, attention_grad_query, embed, embed_grad, insert, insert_grad, layer_norm, layer_norm_grad,
    neuron_scores, pool, pool_grad, prefix, prefix_grad, update_grad,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every shader that an encoder can ask for: all products, all head sizes, both numbers of threads a row.
fn variants() -> Vec<Shader> {
    let mut shaders: Vec<Shader> = Variant::all().map(matmul::shader).collect();
    for head_size in (4..=attention::LARGEST_HEAD).step_by(4) {
        for blocking in Blocking::ALL {
            shaders.extend([
                attention::shader(head_size, blocking),
                attention_grad_query::shader(head_size, blocking),
                attention_grad_key::shader(head_size, blocking),
            ]);
        }
    }
    for lanes in [8, 64] {
        shaders.extend([
            embed::shader(lanes),
            embed_grad::shader(lanes),
            layer_norm::shader(lanes),
            layer_norm_grad::shader(lanes),
            update_grad::shader(lanes),
        ]);
    }
    shaders.extend([pool::shader(), pool_grad::shader(), insert::shader(), insert_grad::shader()]);
    shaders.extend([prefix::shader(), prefix_grad::shader(), neuron_scores::shader()]);
    shaders
}

/// Parses and validates, with and without the values of the overrides.
fn module(shader: &Shader) -> (Module, ModuleInfo) {
    let source = shader.source().expect("the includes exist");
    let module = naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{shader:?}: {}", e.emit_to_string(&source)));
    let check = |module: &Module| {
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::default());
        validator.validate(module).unwrap_or_else(|e| panic!("{shader:?}: {}", e.emit_to_string(&source)))
    };
    let info = check(&module);
    let constants = shader.overrides.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let (module, info) = {
        let (module, info) =
            process_overrides(&module, &info, Some((ShaderStage::Compute, "main")), &constants).expect("overrides");
        (module.into_owned(), info.into_owned())
    };
    check(&module);
    (module, info)
}

/// What is wrong with a variant, beyond what naga refuses.
fn problems(shader: &Shader) -> Vec<String> {
    let (module, info) = module(shader);
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).expect("layouts");
    let mut found = Vec::new();
    let [entry] = &module.entry_points[..] else { panic!("{}: one entry point", shader.name) };
    let uses = info.get_entry_point(0);
    let (mut storage, mut workgroup_bytes, mut places) = (0, 0, BTreeSet::new());
    for (handle, variable) in module.global_variables.iter() {
        let name = variable.name.clone().unwrap_or_default();
        if uses[handle].is_empty() {
            found.push(format!("{name} is not used"));
        }
        let place = variable.binding.map(|binding| (binding.group, binding.binding));
        match variable.space {
            AddressSpace::WorkGroup => workgroup_bytes += layouter[variable.ty].size,
            AddressSpace::Storage { access } => {
                storage += 1;
                if place.is_none_or(|(group, _)| group != 0) {
                    found.push(format!("{name}: storage buffers are in group 0"));
                }
                if access.contains(StorageAccess::STORE) && !uses[handle].contains(GlobalUse::WRITE) {
                    found.push(format!("{name} is read_write and never written"));
                }
            }
            AddressSpace::Uniform => {
                let wanted = if name == "batch" { (1, 1) } else { (1, 0) };
                if place != Some(wanted) {
                    found.push(format!("{name}: parameters are binding 0 of group 1, the batch is binding 1"));
                }
            }
            // Only a product's weight may be a texture.
            AddressSpace::Handle if name == "w" && place == Some((0, 1)) => {}
            space => found.push(format!("{name}: no use for {space:?}")),
        }
        if place.is_some_and(|place| !places.insert(place)) {
            found.push(format!("{name}: another variable has its binding"));
        }
    }
    if !places.contains(&(1, 0)) || !places.contains(&(1, 1)) {
        found.push("parameters and batch are both bound".to_owned());
    }
    // WebGPU's default limits.
    let threads: u32 = entry.workgroup_size.iter().product();
    if storage > 8 || workgroup_bytes > 16 << 10 || threads > 256 {
        found.push(format!("{storage} storage buffers, {workgroup_bytes} bytes of workgroup memory, {threads} threads"));
    }
    found
}

#[test]
fn every_variant_is_valid_and_within_the_default_limits() {
    let variants = variants();
    assert!(variants.len() > 100);
    for shader in &variants {
        assert_eq!(problems(shader), Vec::<String>::new(), "{shader:?}");
    }
}

/// Negative control: 64 rows and columns with 32 threads a side are more threads and more memory than the limits allow.
#[test]
fn a_shader_beyond_the_limits_is_seen() {
    let mut variant = Variant::all().next().expect("a variant");
    variant.tile = Tile { threads: (32, 32), ..Tile::STAGED_64X64_WIDE };
    let found = problems(&matmul::shader(variant));
    assert!(found.len() == 1 && found[0].contains("1024 threads"), "{found:?}");
}

/// Name, offset and type of each field, padding left out.
type Fields = BTreeMap<String, (usize, ScalarKind)>;

trait Kind {
    const KIND: ScalarKind;
}
impl Kind for u32 {
    const KIND: ScalarKind = ScalarKind::Uint;
}
impl Kind for f32 {
    const KIND: ScalarKind = ScalarKind::Float;
}
const fn kind<S, T: Kind>(_: fn(&S) -> &T) -> ScalarKind {
    T::KIND
}

macro_rules! fields {
    ($name:ty { $($field:ident),* }) => {
        (
            Fields::from([$((stringify!($field).to_owned(), (offset_of!($name, $field), kind(|s: &$name| &s.$field)))),*]),
            size_of::<$name>(),
        )
    };
}

/// Fields and size of a struct as the shader declares it.
fn declared(shader: &Shader, name: &str) -> (Fields, usize) {
    let (module, _) = module(shader);
    let ty = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    let TypeInner::Struct { members, span } = &ty.unwrap_or_else(|| panic!("{}: no struct {name}", shader.name)).1.inner else {
        panic!("{name} is no struct");
    };
    let fields = members.iter().map(|member| {
        let TypeInner::Scalar(scalar) = module.types[member.ty].inner else { panic!("{name}: only scalars") };
        assert_eq!(scalar.width, 4);
        (member.name.clone().unwrap_or_default(), (member.offset as usize, scalar.kind))
    });
    (fields.filter(|(name, _)| !name.starts_with("pad")).collect(), *span as usize)
}

#[test]
fn layouts_equal_their_rust_structs() {
    let product = matmul::shader(Variant::all().next().expect("a variant"));
    assert_eq!(declared(&product, "Params"), fields!(matmul::Params { n, k }));
    let blocking = Blocking::GPU;
    for shader in
        [attention::shader(32, blocking), attention_grad_query::shader(32, blocking), attention_grad_key::shader(32, blocking)]
    {
        assert_eq!(declared(&shader, "Params"), fields!(attention::Params { heads, scale, prompt_only }), "{}", shader.name);
        assert_eq!(declared(&shader, "RowInfo"), fields!(RowInfo { start, end, source, example }), "{}", shader.name);
    }
    assert_eq!(declared(&layer_norm::shader(64), "Params"), fields!(layer_norm::Params { columns, eps }));
    assert_eq!(declared(&embed::shader(64), "Params"), fields!(embed::Params { columns, eps, update }));
    let embed_grad = embed_grad::shader(64);
    assert_eq!(declared(&embed_grad, "Params"), fields!(embed_grad::Params { columns, eps, per_example, whole }));
    assert_eq!(declared(&update_grad::shader(64), "Params"), fields!(update_grad::Params { columns, eps, length }));
    assert_eq!(declared(&insert::shader(), "Params"), fields!(insert::Params { columns }));
    assert_eq!(declared(&insert_grad::shader(), "Params"), fields!(insert_grad::Params { columns, per_example }));
    assert_eq!(declared(&prefix::shader(), "Params"), fields!(prefix::Params { columns, layer, layers }));
    let prefix_grad = prefix_grad::shader();
    assert_eq!(declared(&prefix_grad, "Params"), fields!(prefix_grad::Params { columns, layer, layers, prompt_only }));
    assert_eq!(declared(&neuron_scores::shader(), "Params"), fields!(neuron_scores::Params { columns }));
    assert_eq!(declared(&layer_norm_grad::shader(64), "Params"), fields!(layer_norm_grad::Params { columns }));
    for shader in [pool::shader(), pool_grad::shader()] {
        assert_eq!(declared(&shader, "Params"), fields!(pool::Params { columns, mean, row }), "{}", shader.name);
    }
    for shader in variants() {
        assert_eq!(declared(&shader, "Batch"), fields!(BatchSize { rows, examples, prompt, blocks }), "{}", shader.name);
    }
}

/// Negative control: fields in another order, of another type, or missing are not equal.
#[test]
fn another_layout_is_seen() {
    #[repr(C)]
    struct Swapped {
        eps: f32,
        columns: u32,
        pad: [u32; 2],
    }
    #[repr(C)]
    struct Retyped {
        columns: u32,
        eps: u32,
        pad: [u32; 2],
    }
    #[repr(C)]
    struct Short {
        columns: u32,
        eps: f32,
    }
    let declared = declared(&layer_norm::shader(64), "Params");
    assert_eq!(declared, fields!(layer_norm::Params { columns, eps }));
    assert_ne!(declared, fields!(Swapped { columns, eps }));
    assert_ne!(declared, fields!(Retyped { columns, eps }));
    assert_ne!(declared, fields!(Short { columns, eps }));
    assert_ne!(declared, fields!(layer_norm::Params { columns }));
}

/// Names of the files of a folder that end so, without the ending.
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(format!("{ROOT}/{folder}")).expect("the folder").map(|entry| entry.expect("an entry"));
    let names = entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(ending).map(str::to_owned));
    let names: BTreeSet<_> = names.collect();
    assert!(!names.is_empty(), "{folder} is not empty");
    names
}

fn without(mut names: BTreeSet<String>, others: &[&str]) -> BTreeSet<String> {
    for other in others {
        assert!(names.remove(*other), "{other} is among {names:?}");
    }
    names
}

#[test]
fn a_kernel_has_one_name_in_four_places() {
    let shaders = names("shaders", ".wgsl");
    let twins = without(names("src/engine/cpu", ".rs"), &["encoder", "mod", "routed_input"]);
    let others = [
        "arena",
        "batch_buffers",
        "cache",
        "device",
        "encoder",
        "kernel",
        "layer",
        "mod",
        "parts",
        "pipelines",
        "profile",
        "recorder",
        "self_test",
        "source",
        "states",
        "tile",
        "track",
        "tune",
        "weights",
    ];
    let launches = without(names("src/engine/wgsl", ".rs"), &others);
    assert_eq!(shaders, twins);
    assert_eq!(shaders, launches);
    for name in &shaders {
        let text = std::fs::read_to_string(format!("{ROOT}/src/engine/wgsl/{name}.rs")).expect("the file");
        assert!(text.contains(&format!("pub const NAME: &str = \"{name}\";")), "{name}.rs says its name");
        let text = std::fs::read_to_string(format!("{ROOT}/src/engine/cpu/{name}.rs")).expect("the file");
        assert!(text.contains(&format!("pub fn {name}<F: Scalar>(")), "{name}.rs has its twin");
    }
    // Every kernel has its variants above.
    assert_eq!(shaders, variants().iter().map(|shader| shader.name.to_owned()).collect());
}

#[test]
fn every_shader_file_is_compiled_in_and_used() {
    let mut on_disk: BTreeSet<String> = names("shaders", ".wgsl").into_iter().map(|name| name + ".wgsl").collect();
    on_disk.extend(names("shaders/lib", ".wgsl").into_iter().map(|name| format!("lib/{name}.wgsl")));
    let compiled_in: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(on_disk, compiled_in);
    let sources: Vec<String> = variants().iter().map(|shader| shader.source().expect("a source")).collect();
    for (path, text) in FILES {
        // A file's first line that is code stands in some variant.
        let line = text.lines().find(|line| !line.is_empty() && !line.starts_with(['/', '#'])).expect("code");
        // What an unrolled loop repeats stands there with numbers.
        let text = text.split("\n#for").next().unwrap_or_default();
        let body = text.split("#include").last().unwrap_or_default().split_once('\n').map_or("", |(_, rest)| rest);
        assert!(sources.iter().any(|source| source.contains(line) && source.contains(body.trim())), "{path} is not used");
    }
}
