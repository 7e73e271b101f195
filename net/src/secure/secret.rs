//! A secret given by hand, as in `NET_SECRET`: a join code or a text, and which texts are too weak. Neither files nor the environment.

use std::str::FromStr;

use zeroize::Zeroizing;

use super::code::{GroupNameError, JoinCode, JoinCodeError, check_name};
use super::key::GroupKey;

/// The bits that a text must have, by an estimate that is rather too low than too high.
///
/// Who has seen a group's announcement or certificate can try texts against it without asking anybody, billions a second: nothing slows that
/// down, as it does for passwords at a server. At 128 bits there is no trying.
pub const SECRET_BITS: f64 = 128.0;

/// Fewer different characters than these are a pattern, whatever their order. 16 random bytes in hexadecimal digits have more but for
/// once in ten million times.
const DISTINCT_MIN: usize = 8;

/// So many characters that were there before, or that follow one another as in `abcdef`, are taken for one. Random texts have such only by a rare
/// chance.
const PATTERN: usize = 6;
/// What a pattern counts.
const PATTERN_BITS: f64 = 8.0;

/// So many letters on end are taken for a word, and fewer where nothing but a separator stands beside them. Random texts have such too, but seldom.
const WORD: usize = 5;
/// What each letter of a word counts: a word drawn from a list of 7,776 has 12.9 bits and some five letters.
const WORD_BITS: f64 = 2.5;
const DIGIT_BITS: f64 = 3.3;
const HEX_BITS: f64 = 4.0;
/// A letter outside of words, where all are of one case, and where not.
const LETTER_BITS: f64 = 4.7;
const MIXED_LETTER_BITS: f64 = 5.7;
const SPACE_BITS: f64 = 1.0;
/// Few are used, and at the same places.
const PUNCTUATION_BITS: f64 = 4.0;

/// A secret that was given by hand: a join code, or a text of the user's own, which is strong enough.
#[derive(Clone)]
pub struct Secret(Form);

#[derive(Clone)]
enum Form {
    Code(JoinCode),
    Text(Zeroizing<String>),
}

/// Why a text is no secret, or not one of this group. It shows nothing of the text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// A text with a colon is a join code, and this is none. A code that lost a piece must not become another key.
    #[error("{0} (a secret with a colon in it is a join code)")]
    Code(#[from] JoinCodeError),
    /// It can be guessed.
    #[error(
        "the secret is too weak: {why}; `app-net group new NAME` makes a key, `openssl rand -hex 32` a text that is strong enough"
    )]
    Weak {
        /// By what.
        why: String,
    },
    /// It is the join code of another group.
    #[error("the secret is the join code of the group {code:?}, and this is the group {group:?}")]
    OtherGroup {
        /// The group in the code.
        code: String,
        /// The group that it was given for.
        group: String,
    },
    /// A group of this name cannot have a key.
    #[error(transparent)]
    Name(#[from] GroupNameError),
}

impl Secret {
    /// The group that it says it is for: a join code does.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match &self.0 {
            Form::Code(code) => Some(code.group()),
            Form::Text(_) => None,
        }
    }

    /// The key that it is in this group.
    ///
    /// # Errors
    ///
    /// When it is the join code of another group, or a group of this name cannot have a key.
    pub fn key(&self, group: &str) -> Result<GroupKey, SecretError> {
        check_name(group)?;
        match &self.0 {
            Form::Code(code) if code.group() == group => Ok(code.key().clone()),
            Form::Code(code) => Err(SecretError::OtherGroup {
                code: code.group().to_owned(),
                group: group.to_owned(),
            }),
            Form::Text(text) => Ok(GroupKey::from_text(text, group)),
        }
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    /// White space around it does not count: it is that of the file it came from.
    fn from_str(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.contains(':') {
            return Ok(Self(Form::Code(text.parse()?)));
        }
        check_strength(text)?;
        Ok(Self(Form::Text(Zeroizing::new(text.to_owned()))))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn check_strength(text: &str) -> Result<(), SecretError> {
    let chars: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
    let weak = |why| Err(SecretError::Weak { why });
    let distinct = (0..chars.len()).filter(|at| !chars[..*at].contains(&chars[*at]));
    // An early end: no text needs to be looked at for ever.
    let distinct = distinct.take(DISTINCT_MIN).count();
    if distinct < DISTINCT_MIN {
        return weak(format!(
            "it has {distinct} different characters, of {DISTINCT_MIN} at least"
        ));
    }
    let bits = estimate(&chars);
    if bits < SECRET_BITS {
        return weak(format!(
            "it has an estimated {bits:.0} bits, of {SECRET_BITS} at least"
        ));
    }
    Ok(())
}

/// The bits of a text for who knows how it was made, as far as that can be told from itself.
///
/// Each character counts by its kind; letters that may be of words count little; what repeats a piece of the text before it, or goes up or down
/// character by character, counts once for all of it. Random texts are estimated too low, since some of it looks like words by chance: 32 bytes in
/// base64 have some 210 bits by it, and never less than 128.
fn estimate(chars: &[char]) -> f64 {
    let kinds = Kinds::of(chars);
    let mut bits = 0.0;
    let mut at = 0;
    while at < chars.len() && bits < SECRET_BITS {
        let pattern = repeated(chars, at).max(sequence(chars, at));
        if pattern >= PATTERN {
            bits += PATTERN_BITS;
            at += pattern;
        } else {
            bits += kinds.bits(chars[at], at);
            at += 1;
        }
    }
    bits
}

/// How many characters from here on were there before; the piece may go on into itself, as in `abcabc`.
fn repeated(chars: &[char], at: usize) -> usize {
    let same = |from: usize| {
        let pairs = chars[from..].iter().zip(&chars[at..]);
        pairs.take_while(|(before, here)| before == here).count()
    };
    (0..at).map(same).max().unwrap_or(0)
}

/// How many characters from here on have the same step from each to the next: none, up or down by one.
fn sequence(chars: &[char], at: usize) -> usize {
    let step = |pair: &[char]| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0]));
    let mut steps = chars[at..].windows(2).map(step);
    match steps.next() {
        Some(first @ -1..=1) => 2 + steps.take_while(|step| *step == first).count(),
        _ => 1,
    }
}

/// What the text as a whole is made of.
struct Kinds {
    hexadecimal: bool,
    mixed_case: bool,
    /// For each character, whether it is one of a word.
    in_word: Vec<bool>,
}

impl Kinds {
    fn of(chars: &[char]) -> Self {
        let any = |is: fn(&char) -> bool| chars.iter().any(is);
        let mixed_case = any(|c| c.is_uppercase()) && any(|c| c.is_lowercase());
        let mut alphanumeric = chars.iter().filter(|c| c.is_alphanumeric());
        Self {
            hexadecimal: !mixed_case
                && any(|c| c.is_ascii_digit())
                && alphanumeric.all(char::is_ascii_hexdigit),
            mixed_case,
            in_word: in_words(chars),
        }
    }

    /// What the character counts that stands there.
    fn bits(&self, c: char, at: usize) -> f64 {
        match c {
            c if self.hexadecimal && c.is_ascii_hexdigit() => HEX_BITS,
            c if c.is_ascii_digit() => DIGIT_BITS,
            c if c.is_whitespace() => SPACE_BITS,
            c if !c.is_alphabetic() => PUNCTUATION_BITS,
            _ if self.in_word[at] => WORD_BITS,
            _ if self.mixed_case => MIXED_LETTER_BITS,
            _ => LETTER_BITS,
        }
    }
}

/// For each character, whether it is of a word: `word`, `Word` or `WORD`, which may be written together, as in `twoWords`.
fn in_words(chars: &[char]) -> Vec<bool> {
    let mut in_word = vec![false; chars.len()];
    let is_separator = |at: usize| chars.get(at).is_none_or(|c| !c.is_alphanumeric());
    let mut start = 0;
    while start < chars.len() {
        let goes_on = |at: &usize| match (chars[*at - 1], chars[*at]) {
            (_, c) if !c.is_alphabetic() => false,
            (before, c) if before.is_lowercase() && c.is_uppercase() => false,
            (before, c) if before.is_uppercase() && c.is_lowercase() => *at - 1 == start,
            (before, _) => before.is_alphabetic(),
        };
        let length = 1 + (start + 1..chars.len()).take_while(goes_on).count();
        let end = start + length;
        let stands_alone = (start == 0 || is_separator(start - 1)) && is_separator(end);
        in_word[start..end].fill(chars[start].is_alphabetic() && (length >= WORD || stands_alone));
        start = end;
    }
    in_word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_weak(text: &str) -> String {
        match text.parse::<Secret>() {
            Err(SecretError::Weak { why }) => why,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        for text in [
            "Tr0ub4dor&3",
            "correct horse battery staple",
            "Correct-Horse-Battery-Staple-2024!",
            "correcthorsebatterystaplecorrecthorsebatterystaple",
            "the quick brown fox jumps over the lazy dog",
            "password1password2password3password4password5password6",
            "qwertyuiopasdfghjklzxcvbnm1234567890",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "zyxwvutsrqponmlkjihgfedcba9876543210",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "k3J9xQ2mk3J9xQ2mk3J9xQ2mk3J9xQ2mk3J9xQ2m",
            "d41d8cd98f00b204e9800998ecf842",
            "271828182845904523536",
        ] {
            let why = why_weak(text);
            assert!(why.contains("of 128 at least"), "{text}: {why}");
        }
        // What goes up by one is one thing, however long it is.
        let table: String = ('!'..='~').filter(|c| *c != ':').collect();
        assert!(why_weak(&table).contains("of 128 at least"), "{table}");
        let few = [
            "a".repeat(1000),
            "ab".repeat(500),
            "0110100110010110".repeat(20),
        ];
        for text in few.iter().map(String::as_str).chain(["", "secret"]) {
            assert!(why_weak(text).contains("different characters"), "{text}");
        }
    }

    #[test]
    fn what_was_drawn_at_random_is_taken() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut text = |alphabet: &[u8], length| -> String {
            (0..length)
                .map(|_| char::from(alphabet[random.usize(..alphabet.len())]))
                .collect()
        };
        let base64: Vec<u8> = [
            b'A'..=b'Z',
            b'a'..=b'z',
            b'0'..=b'9',
            b'+'..=b'+',
            b'/'..=b'/',
        ]
        .into_iter()
        .flatten()
        .collect();
        for _ in 0..2000 {
            for text in [
                text(b"0123456789abcdef", 64),
                text(&base64, 43) + "=",
                text(b"abcdefghijklmnopqrstuvwxyz234567", 52),
                text(b"0123456789", 77),
            ] {
                assert!(
                    text.parse::<Secret>().is_ok(),
                    "{text}: {}",
                    why_weak(&text)
                );
            }
        }
    }

    #[test]
    fn what_others_make_of_128_bits_is_taken() {
        for text in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "9F86D081884C7D659A2FEAA0C55AD015",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "prewashed relic tattling uncouth chemist vivid gothic amiable dwelling onyx sprinkled moody",
        ] {
            assert!(text.parse::<Secret>().is_ok(), "{text}: {}", why_weak(text));
        }
    }

    #[test]
    fn a_join_code_is_its_key_in_its_group_alone() {
        let code = JoinCode::new("lab", GroupKey::from_bytes([9; 32])).unwrap();
        let secret: Secret = format!(" {code}\n").parse().unwrap();
        assert_eq!(secret.group(), Some("lab"));
        assert_eq!(secret.key("lab").as_ref(), Ok(code.key()));
        assert!(matches!(
            secret.key("stage"),
            Err(SecretError::OtherGroup { .. })
        ));
    }

    #[test]
    fn a_join_code_with_an_error_does_not_become_a_text() {
        let code = JoinCode::new("lab", GroupKey::from_bytes([9; 32]))
            .unwrap()
            .to_string();
        for broken in [
            &code[..code.len() - 2],
            &code.replacen('9', "8", 1),
            &format!("{code}x!"),
        ] {
            let error = broken.parse::<Secret>().unwrap_err();
            assert!(matches!(error, SecretError::Code(_)), "{error}");
        }
    }

    #[test]
    fn a_text_is_another_key_in_each_group() {
        let secret: Secret =
            "prewashed-relic 8251 tattling-uncouth 0773 chemist-vivid 9140 gothic-amiable"
                .parse()
                .unwrap();
        assert_eq!(secret.group(), None);
        assert_ne!(secret.key("lab"), secret.key("stage"));
        assert_eq!(secret.key(""), Err(GroupNameError::Empty.into()));
    }

    #[test]
    fn a_long_text_is_read_at_once() {
        // As long as an environment variable may be; looking for repetitions in all of it would take minutes.
        let words: String = (0..20_000)
            .map(|n| format!("{:05x}", n * 7919 % 1_048_573))
            .collect();
        assert!(words.parse::<Secret>().is_ok());
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let text = "9f86d081884c7d659a2feaa0c55ad015";
        assert_eq!(
            format!("{:?}", text.parse::<Secret>().unwrap()),
            "Secret(..)"
        );
        let error = "hunter2".parse::<Secret>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
