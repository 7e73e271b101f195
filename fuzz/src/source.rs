//! Bytes read as whatever a target needs: numbers, choices, sizes, texts. When they are used up, zeros.

/// Reads an input from its front. Every input means something, and a byte more or less changes little.
#[derive(Clone, Debug)]
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    /// All of an input.
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Whether it is used up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left of it.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Up to so many bytes.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// A byte as yes (odd) or no.
    pub fn yes(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// Two bytes, little-endian.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Eight bytes, little-endian.
    pub fn long(&mut self) -> u64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.byte());
        u64::from_le_bytes(bytes)
    }

    /// A text of at most 255 bytes; what is not UTF-8 is replaced.
    pub fn text(&mut self) -> String {
        let length = self.byte().into();
        String::from_utf8_lossy(self.bytes(length)).into_owned()
    }
}
