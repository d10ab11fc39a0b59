#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    softprompt_fuzz::properties::cells(data);
});
