//! Ensembles of prompts: each member as it would be alone, and how they decide.

use softprompt::config::{Method, PromptInit, Vote};
use softprompt::engine::compute::read;
use softprompt::eval::vote_scores;
use softprompt::head::Linear;
use softprompt::prompt::Parameter;
use softprompt::rng::Rng;
use softprompt::train::step::LearningRates;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::{assert_close, random_f32};
use crate::device::{computes, place};
use crate::methods::{FACTS, TENSORS, config, initial, trainer};
use crate::reference::{Golden, error};
use crate::tiny::tiny_model;

#[wasm_bindgen_test(unsupported = test)]
fn the_first_member_starts_as_prompt_tuning_and_the_others_elsewhere() {
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    for init in [PromptInit::Labels, PromptInit::Vocabulary, PromptInit::Random, PromptInit::Text("good tea".into())] {
        let (mut one, mut many) = (config(&golden, Method::Prompt), config(&golden, Method::Ensemble));
        many.prompt.ensemble.members = 4;
        (one.prompt.init, many.prompt.init) = (init.clone(), init);
        let [one, many] = [&one, &many].map(|config| initial(config, &model, 5, &[]).expect("a start").remove(0).values);
        let members: Vec<&[f32]> = many.chunks_exact(one.len()).collect();
        assert_eq!((members.len(), members[0]), (4, &one[..]));
        for (i, member) in members.iter().enumerate() {
            assert!(members[..i].iter().all(|other| other != member), "member {i} is another's copy");
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_ensemble_trains_each_member_as_it_would_train_alone() {
    const MEMBERS: usize = 3;
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let (hidden, classes, examples) = (model.spec().hidden, 3, &golden.examples);
    let (mut many, one) = (config(&golden, Method::Ensemble), config(&golden, Method::Prompt));
    many.prompt.ensemble.members = MEMBERS;
    let length = one.prompt.length;
    let rng = &mut Rng::stream(1, "ensemble");
    let prompts = random_f32(rng, MEMBERS * length * hidden, 0.5);
    let weight = random_f32(rng, MEMBERS * classes * hidden, 0.1);
    let head = Linear { weight, bias: random_f32(rng, MEMBERS * classes, 0.1) };
    let batches = [[0, 5, 2], [7, 1, 3], [4, 4, 6]];
    let all: Vec<usize> = (0..examples.len()).collect();
    for compute in computes(&model, "an_ensemble_trains_each_member_as_it_would_train_alone").await {
        let start = vec![Parameter::new("prompt", [MEMBERS * length, hidden], prompts.clone())];
        let ensemble = trainer(&model, &compute, &many, start, head.clone());
        let together_gradients = ensemble.gradients(examples, batches.as_flattened()).expect("gradients");
        let got_loss = read(together_gradients.loss).await.expect("a loss")[0];
        let mut got = Vec::new();
        for gradient in together_gradients.gradients {
            got.push(read(gradient).await.expect("a gradient"));
        }
        let (mut want, mut losses, mut scores) = (vec![Vec::new(); 3], 0.0, Vec::new());
        for (m, batch) in batches.iter().enumerate() {
            let part = |all: &[f32]| all[m * all.len() / MEMBERS..(m + 1) * all.len() / MEMBERS].to_vec();
            let start = vec![Parameter::new("prompt", [length, hidden], part(&prompts))];
            let alone = trainer(&model, &compute, &one, start, head.as_ref().map(|all| part(all)));
            let result = alone.gradients(examples, batch).expect("gradients");
            losses += read(result.loss).await.expect("a loss")[0];
            for (want, gradient) in want.iter_mut().zip(result.gradients) {
                want.extend(read(gradient).await.expect("a gradient"));
            }
            scores.extend(alone.scores(examples, &all).await.expect("scores"));
        }
        assert_close(&[got_loss], &[losses / MEMBERS as f32], 1e-5, 0.0);
        for (got, want) in got.iter().zip(&want) {
            let worst = error(got, want);
            assert!(worst <= 1e-5, "{}: off by {worst}", place(&compute));
        }
        for vote in [Vote::Mean, Vote::Majority] {
            many.prompt.ensemble.vote = vote;
            let start = vec![Parameter::new("prompt", [MEMBERS * length, hidden], prompts.clone())];
            let ensemble = trainer(&model, &compute, &many, start, head.clone());
            let got = ensemble.scores(examples, &all).await.expect("scores");
            assert_close(&got, &vote_scores(scores.clone(), MEMBERS, classes, vote), 1e-4, 1e-4);
        }
    }
}

/// Parameters and moments after three steps in which every gradient is clipped, those of some members more than those of others:
/// what a member's own norm is does not matter to the rest.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_member_is_clipped_by_its_own_norm() {
    const MEMBERS: usize = 3;
    const CLIP: f64 = 0.02;
    let (golden, model) = (Golden::new(TENSORS, FACTS), tiny_model());
    let (hidden, classes, examples) = (model.spec().hidden, 3, &golden.examples);
    let (mut many, mut one) = (config(&golden, Method::Ensemble), config(&golden, Method::Prompt));
    many.prompt.ensemble.members = MEMBERS;
    (many.optim.clip_norm, one.optim.clip_norm) = (CLIP, CLIP);
    let length = one.prompt.length;
    let rng = &mut Rng::stream(1, "ensemble");
    let prompts = random_f32(rng, MEMBERS * length * hidden, 0.5);
    let bias = random_f32(rng, MEMBERS * classes, 0.1);
    // Heads of different sizes have gradients of different norms.
    let sizes = [0.05, 0.3, 1.5];
    let weight = sizes.iter().flat_map(|&size| random_f32(rng, classes * hidden, size)).collect();
    let head = Linear { weight, bias };
    let steps = [[[0, 5, 2], [7, 1, 3], [4, 4, 6]], [[1, 2, 6], [0, 0, 5], [3, 7, 2]], [[3, 4, 7], [6, 2, 1], [5, 0, 1]]];
    let rates = LearningRates { prompt: 5e-3, head: 1e-2, factor: 1.0 };
    for compute in computes(&model, "a_member_is_clipped_by_its_own_norm").await {
        let start = vec![Parameter::new("prompt", [MEMBERS * length, hidden], prompts.clone())];
        let mut ensemble = trainer(&model, &compute, &many, start, head.clone());
        for batches in &steps {
            ensemble.step(examples, batches.as_flattened(), rates).expect("a step");
        }
        let together = ensemble.state().await.expect("a state");
        let mut norms = Vec::new();
        for member in 0..MEMBERS {
            let part = |all: &[f32]| all[member * all.len() / MEMBERS..(member + 1) * all.len() / MEMBERS].to_vec();
            let start = vec![Parameter::new("prompt", [length, hidden], part(&prompts))];
            let mut alone = trainer(&model, &compute, &one, start, head.as_ref().map(|all| part(all)));
            for batches in &steps {
                let mut square = 0.0;
                for gradient in alone.gradients(examples, &batches[member]).expect("gradients").gradients {
                    square += read(gradient.square().sum()).await.expect("a sum")[0];
                }
                norms.push(f64::from(square).sqrt());
                alone.step(examples, &batches[member], rates).expect("a step");
            }
            for (together, alone) in together.iter().zip(&alone.state().await.expect("a state")) {
                let (Some((_, first, second)), Some((_, first_alone, second_alone))) = (&together.moments, &alone.moments) else {
                    panic!("moments after a step")
                };
                let worst = [
                    error(&part(&together.values), &alone.values),
                    error(&part(first), first_alone),
                    error(&part(second), second_alone),
                ];
                let what = format!("{}: {} of member {member}", place(&compute), together.name);
                assert!(worst.iter().all(|worst| *worst <= 1e-4), "{what} is off by {worst:?}");
            }
        }
        assert!(norms.iter().all(|norm| *norm > 2.0 * CLIP), "all are clipped: {norms:?}");
        let (least, most) = norms.iter().fold((f64::MAX, 0f64), |(least, most), norm| (least.min(*norm), most.max(*norm)));
        assert!(most > 2.0 * least, "and by different factors: {norms:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn members_decide_by_mean_or_by_majority_and_ties_by_the_mean() {
    // Probabilities of two texts and two classes under three members.
    let logits = |p: [f32; 6]| p.iter().flat_map(|p| [p.ln(), (1.0 - p).ln()]).collect::<Vec<f32>>();
    // Of the first text two members are a little for class 1 and one much for class 0; of the second all are for class 0.
    let three = logits([0.9, 0.8, 0.45, 0.7, 0.45, 0.6]);
    let exp = |scores: Vec<f32>| scores.into_iter().map(f32::exp).collect::<Vec<f32>>();
    assert_close(&exp(vote_scores(three.clone(), 3, 2, Vote::Mean)), &[0.6, 0.4, 0.7, 0.3], 1e-5, 0.0);
    let majority = exp(vote_scores(three.clone(), 3, 2, Vote::Majority));
    assert_close(&majority, &[(1.0 + 0.6) / 4.0, (2.0 + 0.4) / 4.0, (3.0 + 0.7) / 4.0, 0.3 / 4.0], 1e-5, 0.0);
    // One vote each: the larger mean decides, whichever class it is.
    for (first, second, winner) in [(0.9, 0.4, 0), (0.6, 0.1, 1)] {
        let tie =
            vote_scores(vec![f32::ln(first), f32::ln(1.0 - first), f32::ln(second), f32::ln(1.0 - second)], 2, 2, Vote::Majority);
        assert!(tie[winner] > tie[1 - winner], "{tie:?}");
    }
    assert_eq!(vote_scores(three.clone(), 1, 2, Vote::Majority), three, "one decides by its own scores");
    let sure = vote_scores(vec![1e4, 0.0, 1e4, 0.0], 2, 2, Vote::Mean);
    assert!(sure.iter().all(|score| score.is_finite()), "{sure:?}");
}
