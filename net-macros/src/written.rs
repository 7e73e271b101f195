//! Tokens as a person would have written them: `Vec<(i64, &str)>`, not `Vec < (i64 , & str) >`.
//!
//! Callers read these texts in the signature of a connection. `Span::source_text` would give what was written to the
//! letter, but only of single tokens on the stable compiler, and nothing for code that another macro made.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The text of a type or an expression, on one line.
pub(crate) fn written(tokens: impl ToTokens) -> String {
    let mut text = Text::default();
    text.stream(tokens.to_token_stream());
    text.out
}

/// How one piece of text meets its neighbours.
#[derive(Clone, Copy)]
struct Piece {
    space_before: bool,
    space_after: bool,
    /// Whether a value or type ends here, so that what follows is infix and not prefix.
    operand: bool,
}

const OPERAND: Piece = Piece {
    space_before: true,
    space_after: true,
    operand: true,
};
const SUFFIX: Piece = Piece {
    space_before: false,
    space_after: true,
    operand: true,
};
const PREFIX: Piece = Piece {
    space_before: true,
    space_after: false,
    operand: false,
};
const INFIX: Piece = Piece {
    space_before: true,
    space_after: true,
    operand: false,
};
const TIGHT: Piece = Piece {
    space_before: false,
    space_after: false,
    operand: false,
};
const SEPARATOR: Piece = Piece {
    space_before: false,
    space_after: true,
    operand: false,
};

#[derive(Default)]
struct Text {
    out: String,
    last: Option<Piece>,
    /// Angle brackets open around this place.
    angles: usize,
}

impl Text {
    fn stream(&mut self, tokens: TokenStream) {
        let mut operator = String::new();
        for token in tokens {
            match token {
                TokenTree::Punct(punct) => {
                    operator.push(punct.as_char());
                    // `>>` may close two lists, `&'a` is two things, whatever the spacing says.
                    let apart = matches!(punct.as_char(), '<' | '>' | '\'')
                        && !matches!(&*operator, "->" | "=>");
                    if punct.spacing() == Spacing::Alone || apart {
                        self.operator(&std::mem::take(&mut operator));
                    }
                }
                TokenTree::Ident(ident) => self.ident(&ident.to_string()),
                TokenTree::Literal(literal) => self.push(&literal.to_string(), OPERAND),
                TokenTree::Group(group) => self.group(group.delimiter(), group.stream()),
            }
        }
    }

    fn group(&mut self, delimiter: Delimiter, inside: TokenStream) {
        let (open, close) = match delimiter {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::Brace if inside.is_empty() => ("{", "}"),
            Delimiter::Brace => ("{ ", " }"),
            Delimiter::None => return self.stream(inside),
        };
        // A call, an index or a macro's arguments stay with what they follow.
        let follows = self.last.is_some_and(|last| last.operand) && delimiter != Delimiter::Brace;
        self.push(
            open,
            Piece {
                space_before: !follows,
                ..TIGHT
            },
        );
        let angles = std::mem::take(&mut self.angles);
        self.stream(inside);
        self.angles = angles;
        self.push(close, SUFFIX);
    }

    fn ident(&mut self, ident: &str) {
        let is_keyword = matches!(
            ident,
            "as" | "dyn" | "else" | "if" | "in" | "match" | "move" | "mut" | "return"
        );
        self.push(ident, if is_keyword { INFIX } else { OPERAND });
    }

    fn operator(&mut self, operator: &str) {
        let after_operand = self.last.is_some_and(|last| last.operand);
        let piece = match operator {
            "::" | "." | ".." | "..=" => TIGHT,
            "," | ";" | ":" => SEPARATOR,
            "?" => SUFFIX,
            // The name of a macro comes before.
            "!" if after_operand => Piece {
                operand: true,
                ..TIGHT
            },
            "<" if self.opens_a_list() => {
                self.angles += 1;
                Piece {
                    space_before: !after_operand && !self.out.ends_with("::"),
                    ..TIGHT
                }
            }
            ">" if self.angles > 0 => {
                self.angles -= 1;
                SUFFIX
            }
            "'" => PREFIX,
            _ if after_operand => INFIX,
            _ => PREFIX,
        };
        self.push(operator, piece);
    }

    /// Whether a `<` here opens a list of types: a comparison would need a value before it, and the names of values do
    /// not begin in upper case (a constant compared in a default is the one thing this gets wrong, by a space).
    fn opens_a_list(&self) -> bool {
        let Some(Piece { operand: true, .. }) = self.last else {
            return true;
        };
        let name = self
            .out
            .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default();
        name.starts_with(char::is_uppercase)
    }

    fn push(&mut self, text: &str, piece: Piece) {
        if self.last.is_some_and(|last| last.space_after) && piece.space_before {
            self.out.push(' ');
        }
        self.out.push_str(text);
        self.last = Some(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_kept<T: syn::parse::Parse + ToTokens>(texts: &[&str]) {
        for text in texts {
            assert_eq!(written(syn::parse_str::<T>(text).unwrap()), *text);
        }
    }

    #[test]
    fn types_come_out_as_they_were_written() {
        assert_kept::<syn::Type>(&[
            "i64",
            "()",
            "&str",
            "&'static str",
            "&[u8]",
            "[f64; 3]",
            "(i64,)",
            "(i64, String)",
            "Vec<Vec<i64>>",
            "std::collections::HashMap<String, Vec<Option<u8>>>",
            "Result<(), Box<dyn std::error::Error + Send>>",
            "Cow<'_, str>",
            "<Vec<i64> as IntoIterator>::Item",
            "[u8; { N * 2 }]",
        ]);
    }

    #[test]
    fn expressions_come_out_as_they_were_written() {
        assert_kept::<syn::Expr>(&[
            "5",
            "-5",
            "\"a b\"",
            "b'x'",
            "String::new()",
            "Vec::<i64>::with_capacity(8)",
            "vec![1, 2, 3]",
            "&[1, 2]",
            "!true",
            "2 * (3 + 4) - 1",
            "A - -B",
            "Some(Point { x: 1, y: -2 })",
            "Unit {}",
            "Duration::from_secs(1).as_secs_f64()",
            "0..=9",
            "limits[0] as i64",
            "size < 5 && *ready",
            "parse(\"5\")?",
            "if a { 1 } else { 2 }",
        ]);
    }
}
