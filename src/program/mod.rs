//! An encoder as data: a list of operations over named values. `model::architecture` writes it from a `config.json`; a
//! [`Plan`](plan::Plan) is derived from it; the interpreters in `engine` compute the plan. No device is in it, so it can be printed
//! and compared.
//!
//! A value is a matrix with a row for every packed row of a batch, `[T, width]`. Every value is written by exactly one operation
//! and never changes.

pub mod plan;
mod print;
mod route;

pub use route::{Entry, Pooling};

use std::fmt;

/// A value of a program: `[T, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(u32);

impl Value {
    /// Its position in [`Program::values`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A frozen weight of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// Its position in [`Program::weights`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a value is called, and its width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueInfo {
    /// Unique name, such as `3.qkv`.
    pub name: String,
    /// Elements per row.
    pub width: usize,
}

/// What a weight is called, and its shape, row-major: `[rows, columns]`; vectors have one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightInfo {
    /// Unique name, such as `3.attention_out.weight`.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x Phi(x)`, by the error function (`gelu` of transformers).
    Gelu,
    /// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))` (`gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`).
    GeluTanh,
    /// `x sigmoid(1.702 x)`.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `x sigmoid(x)`, also called swish.
    Silu,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::QuickGelu => "quick_gelu",
            Self::Relu => "relu",
            Self::Silu => "silu",
        })
    }
}

/// `y = (x - mean) / sqrt(variance + eps) * gamma + beta` over a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// Scale `[D]`.
    pub gamma: Weight,
    /// Shift `[D]`, if the norm has one.
    pub beta: Option<Weight>,
    /// Added to the variance.
    pub eps: f64,
}

/// How the attention of a layer sees positions and which rows it sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Heads H.
    pub heads: usize,
    /// Elements of a head.
    pub head_size: usize,
    /// Added to the scaled scores: `[2 M + 1, H]`, the row for a key at distance `d` from its query being `M + clamp(d, -M, M)`
    /// (MPNet's relative positions, expanded from their buckets).
    pub bias: Option<Weight>,
    /// Only text rows at most this far away are seen (a sliding window). Prompt rows are seen from everywhere and see everything:
    /// a prompt in front of a text would otherwise be out of sight of all but its first tokens.
    pub window: Option<usize>,
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operation {
    /// `out = x weight^T + bias`, weight `[out, in]`.
    Linear {
        /// `[T, in]`.
        x: Value,
        /// `[out, in]`.
        weight: Weight,
        /// `[out]`.
        bias: Option<Weight>,
        /// `[T, out]`.
        out: Value,
    },
    /// Layer norm.
    Norm {
        /// `[T, D]`.
        x: Value,
        /// Its weights.
        norm: Norm,
        /// `[T, D]`.
        out: Value,
    },
    /// `out = f(x)`.
    Activation {
        /// f.
        function: Activation,
        /// `[T, F]`.
        x: Value,
        /// `[T, F]`.
        out: Value,
    },
    /// `out = f(a) b`, where `x = a | b` (GeGLU, SwiGLU: Shazeer 2020, arXiv 2002.05202).
    Gate {
        /// f.
        function: Activation,
        /// `[T, 2 F]`.
        x: Value,
        /// `[T, F]`.
        out: Value,
    },
    /// Rotary positions (Su et al. 2021, RoFormer, arXiv 2104.09864): in every head of the queries and keys, the pairs `(i, i +
    /// head_size / 2)` are turned by the angle `position theta^(-2 i / head_size)`. A row's position is its place in its example,
    /// prompt rows included.
    Rotate {
        /// Queries, keys and values `[T, 3 D]`.
        x: Value,
        /// Heads, as in the attention that follows.
        heads: usize,
        /// Elements of a head.
        head_size: usize,
        /// Base of the angles.
        theta: f64,
        /// `[T, 3 D]`.
        out: Value,
    },
    /// `out = softmax(q k^T / sqrt(head_size) + bias) v` within each example.
    Attention {
        /// Queries, keys and values `[T, 3 D]`.
        x: Value,
        /// Its form.
        attention: Attention,
        /// `[T, D]`.
        out: Value,
    },
    /// `out = x + y`, a residual connection.
    Add {
        /// `[T, D]`.
        x: Value,
        /// `[T, D]`.
        y: Value,
        /// `[T, D]`.
        out: Value,
    },
}

impl Operation {
    /// The value that it writes.
    #[must_use]
    pub fn out(&self) -> Value {
        match *self {
            Self::Linear { out, .. }
            | Self::Norm { out, .. }
            | Self::Activation { out, .. }
            | Self::Gate { out, .. }
            | Self::Rotate { out, .. }
            | Self::Attention { out, .. }
            | Self::Add { out, .. } => out,
        }
    }

    /// The values that it reads.
    pub fn inputs(&self) -> impl Iterator<Item = Value> + use<> {
        let (x, y) = match *self {
            Self::Add { x, y, .. } => (x, Some(y)),
            Self::Linear { x, .. }
            | Self::Norm { x, .. }
            | Self::Activation { x, .. }
            | Self::Gate { x, .. }
            | Self::Rotate { x, .. }
            | Self::Attention { x, .. } => (x, None),
        };
        std::iter::once(x).chain(y)
    }
}

/// The rows before the first operation: `norm(word[id] + position[place])`; a prompt row takes the place of a word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embed {
    /// Word embeddings `[V, E]`.
    pub word: Weight,
    /// Embeddings of the places of an example `[positions, E]`, including that of the token type, which is the same for all rows of
    /// a single text; or one row that is added to all. `None` if there is nothing to add.
    pub position: Option<Weight>,
    /// The norm of the sum.
    pub norm: Norm,
    /// `[T, E]`.
    pub out: Value,
}

/// A frozen encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// The family's name, such as `bert`.
    pub family: &'static str,
    /// Values, each written by one operation.
    pub values: Vec<ValueInfo>,
    /// Weights. Several operations may read the same one.
    pub weights: Vec<WeightInfo>,
    /// The rows before the first operation.
    pub embed: Embed,
    /// Operations, in an order in which every value is written before it is read.
    pub operations: Vec<Operation>,
    /// `[T, D]`: the input of the lowest layer, then the output of each layer.
    pub hidden: Vec<Value>,
    /// The largest number of rows of an example, prompt rows included, if positions enter at the embeddings; of its text, if a
    /// prompt enters above them.
    pub max_positions: usize,
}

impl Program {
    /// Layers L.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.hidden.len() - 1
    }

    /// Width of a value.
    #[must_use]
    pub fn width(&self, value: Value) -> usize {
        self.values[value.index()].width
    }

    /// Hidden size D.
    #[must_use]
    pub fn hidden_size(&self) -> usize {
        self.width(self.hidden[0])
    }

    /// Vocabulary size V.
    #[must_use]
    pub fn vocab(&self) -> usize {
        self.weights[self.embed.word.index()].rows
    }

    /// Number of weights.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.weights.iter().map(|weight| weight.rows as u64 * weight.columns as u64).sum()
    }
}

/// Writes a program, checking that it is one.
#[derive(Debug)]
pub struct Builder {
    values: Vec<ValueInfo>,
    weights: Vec<WeightInfo>,
    operations: Vec<Operation>,
    scope: String,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// An empty program.
    #[must_use]
    pub fn new() -> Self {
        Self { values: Vec::new(), weights: Vec::new(), operations: Vec::new(), scope: String::new() }
    }

    /// Names from now on begin with `scope.`.
    pub fn scope(&mut self, scope: impl fmt::Display) {
        self.scope = format!("{scope}.");
    }

    /// A weight. The same name with the same shape is the same weight.
    ///
    /// # Panics
    /// If the weight exists with another shape: an error of the architecture.
    pub fn weight(&mut self, name: &str, rows: usize, columns: usize) -> Weight {
        let info = WeightInfo { name: name.to_owned(), rows, columns };
        let index = self.weights.iter().position(|known| known.name == name).unwrap_or(self.weights.len());
        if index == self.weights.len() {
            self.weights.push(info);
        } else {
            assert_eq!(self.weights[index], info, "one shape for each weight");
        }
        Weight(index as u32)
    }

    fn value(&mut self, name: &str, width: usize) -> Value {
        self.values.push(ValueInfo { name: format!("{}{name}", self.scope), width });
        Value(self.values.len() as u32 - 1)
    }

    /// Width of a value.
    #[must_use]
    pub fn width(&self, value: Value) -> usize {
        self.values[value.index()].width
    }

    /// The embeddings, the first value.
    pub fn embed(&mut self, word: Weight, position: Option<Weight>, norm: Norm) -> Embed {
        let width = self.weights[word.index()].columns;
        Embed { word, position, norm, out: self.value("embedding", width) }
    }

    /// `name = x W^T + b`, with the weights `layer.weight` `[outputs, width of x]` and, if `bias`, `layer.bias`.
    pub fn linear(&mut self, name: &str, x: Value, layer: &str, outputs: usize, bias: bool) -> Value {
        let weight = self.weight(&format!("{layer}.weight"), outputs, self.width(x));
        let bias = bias.then(|| self.weight(&format!("{layer}.bias"), 1, outputs));
        let out = self.value(name, outputs);
        self.operations.push(Operation::Linear { x, weight, bias, out });
        out
    }

    /// `name = norm(x)`.
    pub fn norm(&mut self, name: &str, x: Value, norm: Norm) -> Value {
        let out = self.value(name, self.width(x));
        self.operations.push(Operation::Norm { x, norm, out });
        out
    }

    /// `name = f(x)`.
    pub fn activation(&mut self, name: &str, x: Value, function: Activation) -> Value {
        let out = self.value(name, self.width(x));
        self.operations.push(Operation::Activation { function, x, out });
        out
    }

    /// `name = f(a) b` for `x = a | b`.
    pub fn gate(&mut self, name: &str, x: Value, function: Activation) -> Value {
        let out = self.value(name, self.width(x) / 2);
        self.operations.push(Operation::Gate { function, x, out });
        out
    }

    /// `name` = `x` with turned queries and keys.
    pub fn rotate(&mut self, name: &str, x: Value, heads: usize, theta: f64) -> Value {
        let (width, head_size) = (self.width(x), self.width(x) / 3 / heads);
        let out = self.value(name, width);
        self.operations.push(Operation::Rotate { x, heads, head_size, theta, out });
        out
    }

    /// `name = attention(x)`.
    pub fn attention(&mut self, name: &str, x: Value, attention: Attention) -> Value {
        let out = self.value(name, self.width(x) / 3);
        self.operations.push(Operation::Attention { x, attention, out });
        out
    }

    /// `name = x + y`.
    pub fn add(&mut self, name: &str, x: Value, y: Value) -> Value {
        let out = self.value(name, self.width(x));
        self.operations.push(Operation::Add { x, y, out });
        out
    }

    /// The program; `hidden` are the input of the lowest layer and the output of each layer.
    #[must_use]
    pub fn finish(self, family: &'static str, embed: Embed, hidden: Vec<Value>, max_positions: usize) -> Program {
        let Self { values, weights, operations, .. } = self;
        Program { family, values, weights, embed, operations, hidden, max_positions }
    }
}
