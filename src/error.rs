//! One error type, by who can act on it. Every message says what is wrong, where, and what to do.

use serde::Serialize;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, by who can act on it. `problem` says what and where, `hint` what to do.
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
        /// Row of the file, counted from 1 with the header, if one row is to blame.
        row: Option<u64>,
        /// Column name (or its number, counted from 1, where it has no name).
        column: Option<String>,
    },
    /// The encoder's files: unsupported architecture, missing tensor, wrong shape, broken tokenizer.
    #[error("{problem}")]
    Model {
        /// What is wrong, with the tensor's name and both shapes where it is a tensor.
        problem: String,
        /// What to do.
        hint: String,
        /// Full name of the tensor to blame, if any.
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
    /// The GPU: absent, refused a shader, computed wrongly, lost.
    #[error("{problem}")]
    Device {
        /// What is wrong, with the kernel's name where one is to blame.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The GPU has not enough room: out of memory, or something is larger than it binds. It would only come again.
    #[error("{problem}")]
    DeviceMemory {
        /// What is too large, with the limit where it is known.
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
    /// The loss is not a finite number any more.
    #[error("the loss became {loss} at step {step}")]
    Diverged {
        /// Optimizer step, counted from 1.
        step: usize,
        /// The loss that was seen.
        loss: f32,
    },
    /// A file or a download outside the crate's own formats.
    #[error("{path}: {problem}")]
    Io {
        /// File or address.
        path: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The user stopped it.
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
    /// A data error that no single row is to blame for.
    pub fn data(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Data { problem: problem.into(), hint: hint.into(), row: None, column: None }
    }

    /// With a file's name in front, where it is about data; of several files it says which.
    #[must_use]
    pub fn in_file(self, name: &str) -> Self {
        match self {
            Self::Data { problem, hint, row, column } => Self::Data { problem: format!("{name}: {problem}"), hint, row, column },
            error => error,
        }
    }

    /// A model error that no single tensor is to blame for.
    pub fn model(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Model { problem: problem.into(), hint: hint.into(), tensor: None }
    }

    /// With an encoder's folder or id in front, where it is about an encoder.
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

    /// An error of a GPU without room.
    pub fn device_memory(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::DeviceMemory { problem: problem.into(), hint: hint.into() }
    }

    /// A config error.
    pub fn config(field: &'static str, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { field, problem: problem.into(), hint: hint.into() }
    }

    /// Stable code for scripts and the page; the message's text is free to change.
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

    /// What the person who reads the message can do.
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

    /// The form that crosses to JavaScript and to `--json`.
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
    /// Row of the data file, counted from 1 with the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(all(test, not(target_family = "wasm")), ts(optional))]
    pub row: Option<u64>,
    /// Column of the data file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(all(test, not(target_family = "wasm")), ts(optional))]
    pub column: Option<String>,
}
