//! Rotary positions (Su et al. 2021, arXiv 2104.09864), in the form of transformers: the pairs of a head are `(i, i + head_size /
//! 2)`.

use crate::engine::cpu::{Scalar, for_rows};

/// Turns queries and keys in place: the pair i of a head by the angle `place theta^(-2 i / head_size)`, with `back` by its
/// opposite, which is also the gradient.
///
/// * `places` `[R]`: the place of every row in its example; `qkv` `[R, 3 D]`, in which the values are left as they are
pub fn rotate<F: Scalar>(places: &[u32], qkv: &mut [F], heads: usize, head_size: usize, theta: f64, back: bool) {
    let (hidden, half) = (heads * head_size, head_size / 2);
    assert_eq!(qkv.len(), places.len() * 3 * hidden, "qkv is [R, 3 D]");
    for_rows(qkv, 3 * hidden, |t, qkv| {
        for i in 0..half {
            let frequency = 1.0 / theta.powf(2.0 * i as f64 / head_size as f64);
            let (sin, cos) = (f64::from(places[t]) * frequency).sin_cos();
            let (sin, cos) = (F::from_f64(if back { -sin } else { sin }), F::from_f64(cos));
            for head in qkv[..2 * hidden].chunks_exact_mut(head_size) {
                let (a, b) = (head[i], head[i + half]);
                (head[i], head[i + half]) = (a * cos - b * sin, b * cos + a * sin);
            }
        }
    });
}
