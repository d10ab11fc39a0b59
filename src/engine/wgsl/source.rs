//! From `shaders/` to the text that wgpu compiles: a small include step.
//!
//! * `#include "lib/x.wgsl"` on a separate line inserts that file once; a second include of it is empty.
//! * `#include <slot>` inserts the file that the [`Shader`] names for the slot.
//! * The lines between `#for $i < N` and `#end`, where N is a number or one of the shader's constants, are repeated with `$i` as 0, 1 and
//!   so on: an unrolled loop. Not every compiler unrolls one over a register array, and one that does not keeps the array in memory.
//! * [`Shader::constants`] are inserted at the beginning as `const NAME: u32 = value;`, for what `override` does not support:
//!   sizes of register arrays and aliases. All other constants of a pipeline are an `override`, all variables a uniform.

use crate::error::{Error, Result};

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// All files of `shaders/`, by path.
        pub const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../../shaders/", $path)))),*];
    };
}

files![
    "attention.wgsl",
    "attention_grad_key.wgsl",
    "attention_grad_query.wgsl",
    "embed.wgsl",
    "embed_grad.wgsl",
    "insert.wgsl",
    "insert_grad.wgsl",
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
    "lib/matmul_quads.wgsl",
    "lib/matmul_scalar.wgsl",
    "lib/matmul_staged.wgsl",
    "lib/matmul_texture.wgsl",
    "lib/matmul_vector.wgsl",
    "lib/reduce.wgsl",
    "lib/rows.wgsl",
    "matmul.wgsl",
    "neuron_scores.wgsl",
    "pool.wgsl",
    "pool_grad.wgsl",
    "prefix.wgsl",
    "prefix_grad.wgsl",
    "update_grad.wgsl",
];

/// One variant of a kernel's shader, from which a pipeline is created.
#[derive(Debug, Clone, PartialEq)]
pub struct Shader {
    /// The kernel: `shaders/NAME.wgsl`.
    pub name: &'static str,
    /// The file for each slot.
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
        let mut whole = String::new();
        self.include(&format!("{}.wgsl", self.name), &mut Vec::new(), &mut whole)?;
        self.unroll(&mut whole.lines(), &[], &mut source)?;
        Ok(source)
    }

    /// Writes lines up to `#end` or the last one, with these loop variables.
    fn unroll<'a>(&self, lines: &mut std::str::Lines<'a>, variables: &[(&str, u32)], source: &mut String) -> Result<()> {
        while let Some(line) = lines.next() {
            if line == "#end" {
                return Ok(());
            }
            let Some(head) = line.strip_prefix("#for ") else {
                let mut line = line.to_owned();
                for (name, value) in variables {
                    line = line.replace(name, &value.to_string());
                }
                source.push_str(&line);
                source.push('\n');
                continue;
            };
            let (variable, count) = head.split_once(" < ").ok_or_else(|| self.wrong(line))?;
            let constant = self.constants.iter().find(|(name, _)| *name == count).map(|&(_, value)| value);
            let count = constant.or_else(|| count.parse().ok()).ok_or_else(|| self.wrong(line))?;
            let body = lines.clone();
            // Once without writing, to skip the body.
            self.unroll(lines, variables, &mut String::new())?;
            for value in 0..count {
                let variables = [variables, &[(variable, value)]].concat();
                self.unroll(&mut body.clone(), &variables, source)?;
            }
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> Error {
        Error::device(format!("kernel {}: there is no {what}", self.name), "this is a bug, please report it")
    }

    fn include<'a>(&'a self, path: &str, seen: &mut Vec<&'a str>, source: &mut String) -> Result<()> {
        let (path, text) =
            FILES.iter().find(|(name, _)| *name == path).ok_or_else(|| self.wrong(&format!("shader file {path}")))?;
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
                    let file = file.or(chosen).ok_or_else(|| self.wrong(&format!("file for #include {target}")))?;
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
        let shader = Shader { constants: vec![("QUADS", 8), ("LANES", 8), ("ROWS", 2)], ..Shader::new("attention") };
        let source = shader.source().unwrap();
        assert!(source.starts_with("const QUADS: u32 = 8u;\n"));
        assert_eq!(source.matches("struct RowInfo").count(), 1);
        assert!(!source.contains("#include"));
    }

    #[test]
    fn a_loop_is_unrolled() {
        let shader = Shader { constants: vec![("N", 2)], ..Shader::new("attention") };
        let unrolled = |text: &str| {
            let mut source = String::new();
            shader.unroll(&mut text.lines(), &[], &mut source).map(|()| source)
        };
        let nested = "a\n#for $i < N\nb$i\n#for $j < 2\nc$i$ju\n#end\n#end\nd";
        assert_eq!(unrolled(nested).unwrap(), "a\nb0\nc00u\nc01u\nb1\nc10u\nc11u\nd\n");
        assert!(unrolled("#for $i < M\n#end").unwrap_err().to_string().contains("there is no #for $i < M"));
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
