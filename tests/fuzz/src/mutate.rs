//! Small changes to an input, the same ones every time: for `cargo test`, where nothing may depend on luck.

use fastrand::Rng;

/// What parsers stumble over.
const PIECES: [&[u8]; 28] = [
    b"",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"9223372036854775808",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[[[[[[[[",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\0",
    b"\r\n",
    b"#",
    b"/",
    b"..",
    b"%2f",
    b"%252e",
    b"t=",
    b",v1=",
    b"@",
    b"live#user#42",
    b"\xd9\xa1",
];

/// One of the inputs with a few changes.
pub fn mutated(rng: &mut Rng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut data = rng.choice(inputs).cloned().unwrap_or_default();
    for _ in 0..rng.usize(1..5) {
        change(rng, &mut data, inputs);
    }
    data
}

fn change(rng: &mut Rng, data: &mut Vec<u8>, inputs: &[Vec<u8>]) {
    let place = rng.usize(0..=data.len());
    let end = (place + rng.usize(0..12)).min(data.len());
    match rng.u8(0..6) {
        0 if place < data.len() => data[place] ^= 1 << rng.u8(0..8),
        1 => {
            data.drain(place..end);
        }
        2 => {
            let copy = data[place..end].to_vec();
            data.splice(place..place, copy);
        }
        3 => {
            let piece = PIECES[rng.usize(0..PIECES.len())];
            data.splice(place..end, piece.iter().copied());
        }
        4 => {
            let other = rng.choice(inputs).map_or(&[][..], Vec::as_slice);
            let from = rng.usize(0..=other.len());
            data.truncate(place);
            data.extend(&other[from..]);
        }
        _ => data.insert(place, rng.u8(..)),
    }
}
