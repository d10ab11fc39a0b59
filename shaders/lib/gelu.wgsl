// Exact GELU, u Phi(u), and its derivative, of a Value: f32 or vec4<f32>, as the including file says.

// Error function within 2e-7: the rational approximation of Eigen and XLA, the same as the CPU twin's.
fn erf(value: Value) -> Value {
  let x = clamp(value, Value(-4.0), Value(4.0));
  let s = x * x;
  var p = Value(-2.7261423e-10);
  p = p * s + 2.7706814e-8;
  p = p * s - 2.101024e-6;
  p = p * s - 5.6925064e-5;
  p = p * s - 7.3499063e-4;
  p = p * s - 2.9545998e-3;
  p = p * s - 1.6096033e-2;
  var q = Value(-1.4566072e-5);
  q = q * s - 2.1337406e-4;
  q = q * s - 1.682827e-3;
  q = q * s - 7.3733292e-3;
  q = q * s - 1.4264739e-2;
  return x * p / q;
}

// Phi, the normal distribution.
fn normal_distribution(u: Value) -> Value {
  return 0.5 + 0.5 * erf(u * 0.70710678);
}

fn gelu(u: Value) -> Value {
  return u * normal_distribution(u);
}

fn gelu_grad(u: Value) -> Value {
  return normal_distribution(u) + u * 0.39894228 * exp(-0.5 * u * u);
}
