//! The paths that a source file names: imports, and what is written out in full, in macros as well.

use syn::{
    buffer::{Cursor, TokenBuffer},
    ext::IdentExt,
};

/// A path with all its segments; one that begins in this package begins with `crate`.
pub type Path = Vec<String>;

/// All paths of a file of the module `module` (empty for the root). `self` and `super` are resolved.
pub fn of(text: &str, module: &[String]) -> Vec<Path> {
    let tokens = TokenBuffer::new2(text.parse().expect("the file is Rust"));
    let mut found = Vec::new();
    walk(tokens.begin(), module, &mut found);
    found
}

fn walk(mut cursor: Cursor<'_>, module: &[String], found: &mut Vec<Path>) {
    while !cursor.eof() {
        if let Some((name, inside, after)) = inline_module(cursor) {
            let mut inner = module.to_vec();
            inner.push(name);
            walk(inside, &inner, found);
            cursor = after;
        } else if let Some((keyword, after)) = cursor.ident() {
            if keyword == "use" {
                cursor = import(after, &[], module, found);
            } else {
                let (path, after) = path(cursor);
                found.extend((path.len() > 1).then(|| resolve(path, module)));
                cursor = after;
            }
        } else if let Some((inside, _, _, after)) = cursor.any_group() {
            walk(inside, module, found);
            cursor = after;
        } else {
            cursor = skip(cursor);
        }
    }
}

/// `mod name { … }`
fn inline_module(cursor: Cursor<'_>) -> Option<(String, Cursor<'_>, Cursor<'_>)> {
    let (keyword, after) = cursor.ident().filter(|(keyword, _)| keyword == "mod")?;
    drop(keyword);
    let (name, after) = after.ident()?;
    let (inside, _, _, after) = after.any_group()?;
    Some((name.unraw().to_string(), inside, after))
}

/// One tree of a `use`, below what was read of it before; gives back where it ends.
fn import<'a>(cursor: Cursor<'a>, above: &[String], module: &[String], found: &mut Vec<Path>) -> Cursor<'a> {
    let (own, mut cursor) = path(cursor);
    let whole = [above, &own].concat();
    match cursor.any_group() {
        Some((mut inside, _, _, after)) if own.is_empty() || after.eof() || ends(after) => {
            while !inside.eof() {
                inside = import(inside, &whole, module, found);
                inside = inside.punct().map_or(inside, |(_, after)| after);
            }
            cursor = after;
        }
        _ => found.push(resolve(whole, module)),
    }
    // `*`, `as name`: up to the comma or the semicolon.
    while !cursor.eof() && !ends(cursor) {
        cursor = skip(cursor);
    }
    cursor
}

fn ends(cursor: Cursor<'_>) -> bool {
    cursor
        .punct()
        .is_some_and(|(punct, _)| matches!(punct.as_char(), ',' | ';'))
}

/// `a::b::c`, with or without `::` before it; a last `::` before a group belongs to it.
fn path(cursor: Cursor<'_>) -> (Path, Cursor<'_>) {
    let mut segments = Vec::new();
    let mut cursor = separator(cursor).unwrap_or(cursor);
    while let Some((segment, after)) = cursor.ident() {
        segments.push(segment.unraw().to_string());
        cursor = after;
        match separator(after) {
            Some(after) => cursor = after,
            None => break,
        }
    }
    (segments, cursor)
}

fn separator(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let (_, after) = cursor.punct().filter(|(punct, _)| punct.as_char() == ':')?;
    let (_, after) = after.punct().filter(|(punct, _)| punct.as_char() == ':')?;
    Some(after)
}

fn skip(cursor: Cursor<'_>) -> Cursor<'_> {
    cursor.token_tree().map_or(cursor, |(_, after)| after)
}

fn resolve(path: Path, module: &[String]) -> Path {
    let mut base = module.to_vec();
    let mut rest = path.as_slice();
    match rest.first().map(String::as_str) {
        Some("self") => rest = &rest[1..],
        Some("super") => {
            while rest.first().is_some_and(|segment| segment == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        _ => return path,
    }
    let root = ["crate".to_owned()];
    [&root, base.as_slice(), rest].concat()
}

#[test]
fn paths_are_found_in_imports_expressions_and_macros() {
    let text = r#"
        use std::fmt;
        pub use crate::{domain::{Cause, event::Event as E}, wire::*};
        use super::{holder::Holder, message};
        fn f(x: &lapin::Channel) { select! { _ = super::super::http::get("crate::store::no") => crate::crash_point!("a") } }
        #[cfg(test)]
        mod tests { use super::*; use super::super::session; fn g() { self::h() } }
    "#;
    let module = ["broker".to_owned(), "acks".to_owned()];

    let mut found: Vec<String> = of(text, &module).iter().map(|path| path.join("::")).collect();
    found.sort();

    assert_eq!(
        found,
        [
            "crate::broker::acks",
            "crate::broker::acks::tests::h",
            "crate::broker::holder::Holder",
            "crate::broker::message",
            "crate::broker::session",
            "crate::crash_point",
            "crate::domain::Cause",
            "crate::domain::event::Event",
            "crate::http::get",
            "crate::wire",
            "lapin::Channel",
            "std::fmt",
        ]
    );
}
