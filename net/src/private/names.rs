//! Names that the macros make: a function's tag, while the program is compiled, and the kind of an error, when it is
//! answered. No other knowledge of tags or errors.

/// The length of the tag that [`tag_text`] makes.
pub const fn tag_length(module: &str, name: &str) -> usize {
    let module = module.as_bytes();
    let mut length = module.len() + 1 + name.len();
    let mut index = 0;
    while index + 1 < module.len() {
        if module[index] == b':' && module[index + 1] == b':' {
            length -= 1;
            index += 1;
        }
        index += 1;
    }
    length
}

/// The tag of a function by its module path and its name, joined by dots; `N` is its [`tag_length`].
pub const fn tag_text<const N: usize>(module: &str, name: &str) -> [u8; N] {
    let (module, name) = (module.as_bytes(), name.as_bytes());
    let mut text = [b'.'; N];
    let mut length = 0;
    let mut index = 0;
    while index < module.len() {
        if index + 1 < module.len() && module[index] == b':' && module[index + 1] == b':' {
            index += 1;
        } else {
            text[length] = module[index];
        }
        length += 1;
        index += 1;
    }
    index = 0;
    while index < name.len() {
        text[length + 1 + index] = name[index];
        index += 1;
    }
    text
}

/// The text of a tag that [`tag_text`] made.
pub const fn tag_str(text: &[u8]) -> &str {
    match std::str::from_utf8(text) {
        Ok(tag) => tag,
        Err(_) => panic!("only `::` was replaced in a string"),
    }
}

/// The name of an error's type as callers read it, from what [`std::any::type_name`] says: `app.MathError`, and for a
/// type of the standard library, whose modules nobody knows by heart, `ParseIntError`.
pub(crate) fn kind(type_name: &str) -> String {
    let mut kind = String::with_capacity(type_name.len());
    let mut rest = type_name;
    while !rest.is_empty() {
        let in_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let (path, after) = rest.split_at(rest.find(|c| !in_path(c)).unwrap_or(rest.len()));
        match path.split_once("::") {
            Some(("std" | "core" | "alloc", inner)) => {
                kind.push_str(inner.rsplit("::").next().unwrap_or(inner));
            }
            _ => kind.push_str(&path.replace("::", ".")),
        }
        let (between, next) = after.split_at(after.find(in_path).unwrap_or(after.len()));
        kind.push_str(between);
        rest = next;
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_module_path_and_the_name() {
        const LENGTH: usize = tag_length("app::math::int", "multiply");
        const TEXT: [u8; LENGTH] = tag_text("app::math::int", "multiply");
        assert_eq!(tag_str(&TEXT), "app.math.int.multiply");
        assert_eq!(
            tag_str(&tag_text::<{ tag_length("app", "f") }>("app", "f")),
            "app.f"
        );
        assert_eq!(
            tag_str(&tag_text::<{ tag_length("äpp::é", "ü") }>("äpp::é", "ü")),
            "äpp.é.ü"
        );
    }

    #[test]
    fn a_kind_is_the_path_of_the_type() {
        assert_eq!(kind("app::math::DivideError"), "app.math.DivideError");
        assert_eq!(kind("app::Error<app::Detail>"), "app.Error<app.Detail>");
    }

    #[test]
    fn a_kind_of_the_standard_library_is_its_name() {
        assert_eq!(kind("core::num::error::ParseIntError"), "ParseIntError");
        assert_eq!(kind("alloc::string::String"), "String");
        assert_eq!(kind("&str"), "&str");
        assert_eq!(
            kind("alloc::boxed::Box<dyn core::error::Error + core::marker::Send>"),
            "Box<dyn Error + Send>"
        );
    }
}
