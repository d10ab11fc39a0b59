//! From `shaders/` to the text that wgpu compiles: a tiny include step, nothing else.
//!
//! * `#include "lib/x.wgsl"` on a line of its own puts that file there, once: a second include of it is empty.
//! * `#include <slot>` puts the file there that the [`Shader`] names for the slot.
//! * [`Shader::constants`] go before everything as `const NAME: u32 = value;`, for what `override` cannot do: sizes of register
//!   arrays and aliases. Everything else that is fixed in a pipeline is an `override`, everything that varies a uniform.

use crate::error::{Error, Result};

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// Every file of `shaders/`, by its path there.
        pub const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../../shaders/", $path)))),*];
    };
}

files![
    "attention.wgsl",
    "attention_grad_key.wgsl",
    "attention_grad_query.wgsl",
    "embed.wgsl",
    "embed_grad.wgsl",
    "layer_norm.wgsl",
    "layer_norm_grad.wgsl",
    "lib/batch.wgsl",
    "lib/epilogue_bias.wgsl",
    "lib/epilogue_bias_gelu.wgsl",
    "lib/epilogue_bias_residual.wgsl",
    "lib/epilogue_gelu_grad.wgsl",
    "lib/epilogue_plain.wgsl",
    "lib/epilogue_residual.wgsl",
    "lib/gelu.wgsl",
    "lib/heads.wgsl",
    "lib/matmul_direct.wgsl",
    "lib/matmul_scalar.wgsl",
    "lib/matmul_staged.wgsl",
    "lib/matmul_vector.wgsl",
    "lib/reduce.wgsl",
    "lib/rows.wgsl",
    "matmul.wgsl",
    "pool.wgsl",
    "pool_grad.wgsl",
];

/// One variant of a kernel's shader: everything that its pipeline is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Shader {
    /// The kernel: `shaders/NAME.wgsl`.
    pub name: &'static str,
    /// Which file each slot holds.
    pub slots: Vec<(&'static str, &'static str)>,
    /// Constants of the source.
    pub constants: Vec<(&'static str, u32)>,
    /// Pipeline-overridable constants.
    pub overrides: Vec<(&'static str, f64)>,
}

impl Shader {
    /// A shader without slots and constants.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, slots: Vec::new(), constants: Vec::new(), overrides: Vec::new() }
    }

    /// The text to compile.
    ///
    /// # Errors
    /// [`Error::Device`] for an include of a file or a slot that does not exist.
    pub fn source(&self) -> Result<String> {
        let mut source = String::new();
        for (name, value) in &self.constants {
            source.push_str(&format!("const {name}: u32 = {value}u;\n"));
        }
        self.include(&format!("{}.wgsl", self.name), &mut Vec::new(), &mut source)?;
        Ok(source)
    }

    fn include<'a>(&'a self, path: &str, seen: &mut Vec<&'a str>, source: &mut String) -> Result<()> {
        let wrong =
            |what: &str| Error::device(format!("kernel {}: there is no {what}", self.name), "this is a bug, please report it");
        let (path, text) = FILES.iter().find(|(name, _)| *name == path).ok_or_else(|| wrong(&format!("shader file {path}")))?;
        if seen.contains(path) {
            return Ok(());
        }
        seen.push(path);
        for line in text.lines() {
            match line.strip_prefix("#include ").map(str::trim) {
                None => {
                    source.push_str(line);
                    source.push('\n');
                }
                Some(target) => {
                    let file = target.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                    let slot = target.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
                    let chosen = slot.and_then(|slot| self.slots.iter().find(|(name, _)| *name == slot)).map(|(_, file)| *file);
                    let file = file.or(chosen).ok_or_else(|| wrong(&format!("file for #include {target}")))?;
                    self.include(file, seen, source)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_included_once_and_constants_come_first() {
        let shader = Shader { constants: vec![("HEAD_SIZE", 32)], ..Shader::new("attention") };
        let source = shader.source().unwrap();
        assert!(source.starts_with("const HEAD_SIZE: u32 = 32u;\n"));
        assert_eq!(source.matches("struct RowInfo").count(), 1);
        assert!(!source.contains("#include"));
    }

    #[test]
    fn an_empty_slot_is_an_error() {
        let error = Shader::new("matmul").source().unwrap_err();
        assert_eq!(error.to_string(), "kernel matmul: there is no file for #include <epilogue>");
    }

    #[test]
    fn an_unknown_file_is_an_error() {
        let shader = Shader { slots: vec![("epilogue", "lib/nothing.wgsl")], ..Shader::new("matmul") };
        assert!(shader.source().unwrap_err().to_string().contains("lib/nothing.wgsl"));
    }
}
