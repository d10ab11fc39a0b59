//! Reads the weights of a program from the hub's tensors.

use super::{Architecture, Source};
use crate::error::{Error, Result};
use crate::program::WeightInfo;
use crate::tensors::Tensors;

impl Architecture {
    /// The weights in the program's order, each row-major, from tensors whose names begin with `prefix`.
    ///
    /// # Errors
    /// [`Error::Model`] with the full name of a tensor that is missing, has another shape or data type, or contains a non-finite
    /// number.
    pub fn load(&self, tensors: &Tensors<'_>, prefix: &str) -> Result<Vec<Vec<f32>>> {
        let file = File { tensors, prefix };
        self.program.weights.iter().zip(&self.sources).map(|(weight, source)| file.read(weight, source)).collect()
    }
}

struct File<'a> {
    tensors: &'a Tensors<'a>,
    prefix: &'a str,
}

impl File<'_> {
    fn read(&self, &WeightInfo { rows, columns, .. }: &WeightInfo, source: &Source) -> Result<Vec<f32>> {
        match source {
            Source::Rows(names) => {
                let mut out = Vec::with_capacity(rows * columns);
                // Vectors are stored without their one row.
                let shape = if rows == 1 { vec![columns / names.len()] } else { vec![rows / names.len(), columns] };
                for name in names {
                    self.append(name, &shape, &mut out)?;
                }
                Ok(out)
            }
            Source::Positions { table, skip, types } => {
                let mut positions = Vec::new();
                self.append(table, &[rows + skip, columns], &mut positions)?;
                positions.drain(..skip * columns);
                if let Some(types) = types {
                    let first = self.first_row(types, columns)?;
                    for row in positions.chunks_exact_mut(columns) {
                        row.iter_mut().zip(&first).for_each(|(position, kind)| *position += kind);
                    }
                }
                Ok(positions)
            }
            Source::FirstRow(table) => self.first_row(table, columns),
            Source::Buckets { table, distance } => {
                const BUCKETS: usize = 32;
                let mut buckets = Vec::new();
                self.append(table, &[BUCKETS, columns], &mut buckets)?;
                let distances = -(*distance as i64)..=*distance as i64;
                Ok(distances.flat_map(|d| buckets[bucket(d, BUCKETS, *distance) * columns..][..columns].to_vec()).collect())
            }
        }
    }

    fn append(&self, name: &str, shape: &[usize], out: &mut Vec<f32>) -> Result<()> {
        let name = format!("{}{name}", self.prefix);
        self.tensors.append(&name, shape, out).map_err(|problem| Error::Model {
            problem: format!("model.safetensors: {problem}"),
            hint: "config.json and model.safetensors must be of the same model".into(),
            tensor: Some(name),
        })
    }

    /// The first row of a table with any number of rows.
    fn first_row(&self, name: &str, width: usize) -> Result<Vec<f32>> {
        let stored = self.tensors.shape(&format!("{}{name}", self.prefix));
        let rows = stored.and_then(<[usize]>::first).map_or(1, |&rows| rows.max(1));
        let mut table = Vec::new();
        self.append(name, &[rows, width], &mut table)?;
        table.truncate(width);
        Ok(table)
    }
}

/// T5's bucket of a key at distance `d` from its query (Raffel et al. 2020, section 2.1), in both directions: half of the buckets
/// for each sign; of these, half for one distance each, the others for logarithmically growing ranges up to `largest`.
fn bucket(d: i64, buckets: usize, largest: usize) -> usize {
    let half = buckets / 2;
    let exact = half / 2;
    let size = d.unsigned_abs() as usize;
    let sign = if d > 0 { half } else { 0 };
    if size < exact {
        return sign + size;
    }
    // In f32, as PyTorch computes it.
    let ratio = (size as f32 / exact as f32).ln() / (largest as f32 / exact as f32).ln();
    sign + (exact + (ratio * (half - exact) as f32) as usize).min(half - 1)
}
