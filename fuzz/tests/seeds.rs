//! Every property holds for every seed, and a seed is what it should be: something that is read.
use softprompt_fuzz::{properties as p, seeds};

#[test]
fn every_property_holds_for_its_seeds() {
    let targets: [(&str, fn(&[u8]) -> bool); 11] = [
        ("table", p::table),
        ("json", p::json),
        ("workbook", p::workbook),
        ("zip", p::zip),
        ("adapter", p::adapter),
        ("checkpoint", p::checkpoint),
        ("cells", p::cells),
        ("settings", p::settings),
        ("encoder_config", p::encoder_config),
        ("tokenizer", p::tokenizer),
        ("tensors", p::tensors),
    ];
    let all = seeds::all();
    assert_eq!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>(), targets.map(|(name, _)| name));
    for ((name, seeds), (_, property)) in all.iter().zip(targets) {
        let read = seeds.iter().filter(|(_, bytes)| property(bytes)).count();
        assert!(read > 0 && read * 2 >= seeds.len(), "{name}: {read} of {} seeds are read", seeds.len());
    }
}
