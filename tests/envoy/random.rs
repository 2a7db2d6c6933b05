//! Numbers for tests that try what comes to nobody's mind.

/// Numbers that look random and are the same in every run (xorshift). The seed is not 0.
pub struct Random(pub u64);

impl Random {
    /// One of 0 to `limit` - 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
