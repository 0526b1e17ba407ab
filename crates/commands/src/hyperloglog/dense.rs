//! Registers of six bits each, from the least significant bit of the first byte on.

use super::estimate::REGISTERS;

/// All registers.
pub(super) const BYTES: usize = REGISTERS * 6 / 8;
const MASK: u16 = 0x3f;

/// The value of a register.
pub(super) fn get(body: &[u8], index: usize) -> u8 {
    let (at, shift) = (index * 6 / 8, index * 6 % 8);
    let low = body[at];
    // The last register ends with the last byte.
    let high = body.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([low, high]) >> shift & MASK) as u8
}

/// Sets the value of a register.
pub(super) fn set(body: &mut [u8], index: usize, value: u8) {
    let (at, shift) = (index * 6 / 8, index * 6 % 8);
    let (mask, value) = ((MASK << shift).to_le_bytes(), (u16::from(value) << shift).to_le_bytes());
    body[at] = body[at] & !mask[0] | value[0];
    if let Some(high) = body.get_mut(at + 1) {
        *high = *high & !mask[1] | value[1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_do_not_touch_each_other() {
        let mut body = vec![0; BYTES];
        let value = |index: usize| (index * 7 % 64) as u8;
        (0..REGISTERS).for_each(|index| set(&mut body, index, 63));
        (0..REGISTERS).rev().for_each(|index| set(&mut body, index, value(index)));
        assert!((0..REGISTERS).all(|index| get(&body, index) == value(index)));
    }
}
