//! The error type. It has one variant for each person or thing that can fix the problem. Every message says what is wrong, where,
//! and what to do.

use serde::Serialize;

/// `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error, classified by who can fix the problem. `problem` says what is wrong and where, `hint` what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user's data file or texts.
    #[error("{problem}{}", location(*row, column.as_deref()))]
    Data {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
        /// Row of the file, counted from 1 including the header, if a single row is at fault.
        row: Option<u64>,
        /// Column name, or its number counted from 1 if it has no name.
        column: Option<String>,
    },
    /// The encoder's files: unsupported architecture, missing tensor, wrong shape, broken tokenizer.
    #[error("{problem}")]
    Model {
        /// What is wrong; for a tensor, with its name, the expected shape and the shape found.
        problem: String,
        /// What to do.
        hint: String,
        /// Full name of the tensor at fault, if any.
        tensor: Option<String>,
    },
    /// An adapter's files.
    #[error("{problem}")]
    Adapter {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The GPU: not available, rejected a shader, computed wrong results, or lost.
    #[error("{problem}")]
    Device {
        /// What is wrong, with the kernel's name if a kernel is at fault.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The GPU is out of memory, or something is larger than the GPU can bind. Trying again would fail again.
    #[error("{problem}")]
    DeviceMemory {
        /// What is too large, with the limit if it is known.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A setting of [`crate::config::RunConfig`].
    #[error("{field}: {problem}")]
    Config {
        /// Path of the field, such as `optim.batch_size`.
        field: &'static str,
        /// What is wrong with its value.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The loss is no longer a finite number.
    #[error("the loss became {loss} at step {step}")]
    Diverged {
        /// Optimizer step, counted from 1.
        step: usize,
        /// The loss at that step.
        loss: f32,
    },
    /// A file or a download that is not one of the crate's own formats.
    #[error("{path}: {problem}")]
    Io {
        /// File or address.
        path: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// Stopped by the user.
    #[error("cancelled")]
    Cancelled,
}

fn location(row: Option<u64>, column: Option<&str>) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!(" (row {row}, column {column})"),
        (Some(row), None) => format!(" (row {row})"),
        (None, Some(column)) => format!(" (column {column})"),
        (None, None) => String::new(),
    }
}

impl Error {
    /// A data error without a row.
    pub fn data(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Data { problem: problem.into(), hint: hint.into(), row: None, column: None }
    }

    /// Prefixes a data error with the file's name, so that it says which of several files is meant.
    #[must_use]
    pub fn in_file(self, name: &str) -> Self {
        match self {
            Self::Data { problem, hint, row, column } => Self::Data { problem: format!("{name}: {problem}"), hint, row, column },
            error => error,
        }
    }

    /// A model error without a tensor.
    pub fn model(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Model { problem: problem.into(), hint: hint.into(), tensor: None }
    }

    /// Prefixes a model error with the encoder's folder or id.
    #[must_use]
    pub fn of_model(self, name: &str) -> Self {
        match self {
            Self::Model { problem, hint, tensor } => Self::Model { problem: format!("{name}: {problem}"), hint, tensor },
            error => error,
        }
    }

    /// An adapter error.
    pub fn adapter(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Adapter { problem: problem.into(), hint: hint.into() }
    }

    /// A device error.
    pub fn device(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Device { problem: problem.into(), hint: hint.into() }
    }

    /// An error of a GPU without enough memory.
    pub fn device_memory(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::DeviceMemory { problem: problem.into(), hint: hint.into() }
    }

    /// A config error.
    pub fn config(field: &'static str, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { field, problem: problem.into(), hint: hint.into() }
    }

    /// Stable code for scripts and the page. The text of the message may change.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Data { .. } => "data",
            Self::Model { .. } => "model",
            Self::Adapter { .. } => "adapter",
            Self::Device { .. } => "device",
            Self::DeviceMemory { .. } => "device_memory",
            Self::Config { .. } => "config",
            Self::Diverged { .. } => "diverged",
            Self::Io { .. } => "io",
            Self::Cancelled => "cancelled",
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Data { hint, .. }
            | Self::Model { hint, .. }
            | Self::Adapter { hint, .. }
            | Self::Device { hint, .. }
            | Self::DeviceMemory { hint, .. }
            | Self::Config { hint, .. }
            | Self::Io { hint, .. } => hint,
            Self::Diverged { .. } => "use a smaller learning rate",
            Self::Cancelled => "",
        }
    }

    /// The form that is passed to JavaScript and written by `--json`.
    #[must_use]
    pub fn report(&self) -> Report {
        let (row, column) = match self {
            Self::Data { row, column, .. } => (*row, column.clone()),
            _ => (None, None),
        };
        Report { code: self.code(), message: self.to_string(), hint: self.hint().to_owned(), row, column }
    }
}

/// An [`Error`] as plain data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS), ts(rename = "Problem"))]
pub struct Report {
    /// Stable code, see [`Error::code`].
    pub code: &'static str,
    /// What is wrong and where.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Row of the data file, counted from 1 including the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(all(test, not(target_family = "wasm")), ts(optional))]
    pub row: Option<u64>,
    /// Column of the data file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(all(test, not(target_family = "wasm")), ts(optional))]
    pub column: Option<String>,
}
