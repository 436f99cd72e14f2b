//! Form bodies and query strings with Stripe's brackets: `line_items[0][price]=…`, `expand[]=…`, `metadata[k]=v`.
//!
//! What a parameter may be is not known here: see `schema`.

use percent_encoding::percent_decode_str;

/// A parsed form: a text, or named parts in the order they were sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Leaf(String),
    Branch(Vec<(String, Tree)>),
}

impl Tree {
    pub fn empty() -> Self {
        Tree::Branch(Vec::new())
    }

    fn parts(&mut self) -> &mut Vec<(String, Tree)> {
        if let Tree::Leaf(_) = self {
            *self = Tree::empty();
        }
        match self {
            Tree::Branch(parts) => parts,
            Tree::Leaf(_) => unreachable!("replaced above"),
        }
    }

    fn has(&self, name: &str) -> bool {
        matches!(self, Tree::Branch(parts) if parts.iter().any(|(key, _)| key == name))
    }

    fn insert(&mut self, path: &[String], value: String) {
        let Some((first, rest)) = path.split_first() else {
            *self = Tree::Leaf(value);
            return;
        };
        let parts = self.parts();
        let key = if first.is_empty() { array_slot(parts, rest) } else { first.clone() };
        match parts.iter_mut().find(|(name, _)| *name == key) {
            Some((_, child)) => child.insert(rest, value),
            None => {
                let mut child = Tree::empty();
                child.insert(rest, value);
                parts.push((key, child));
            }
        }
    }
}

/// `a[][x]=1&a[][y]=2` is one element until a name repeats; `a[]=1&a[]=2` is two.
fn array_slot(parts: &[(String, Tree)], rest: &[String]) -> String {
    if let (Some((name, last)), Some(next)) = (parts.last(), rest.first())
        && !last.has(next)
    {
        return name.clone();
    }
    parts.len().to_string()
}

/// Reads `application/x-www-form-urlencoded` text.
pub(crate) fn parse(text: &str) -> Tree {
    let mut root = Tree::empty();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        root.insert(&segments(&decode(name)), decode(value));
    }
    root
}

/// `a[b][0]` → `a`, `b`, `0`.
fn segments(name: &str) -> Vec<String> {
    let Some((head, tail)) = name.split_once('[') else {
        return vec![name.to_owned()];
    };
    let inner = tail.strip_suffix(']').unwrap_or(tail);
    std::iter::once(head.to_owned()).chain(inner.split("][").map(str::to_owned)).collect()
}

/// Percent-decoding with `+` as a space; bytes that are not UTF-8 are replaced.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(text: &str) -> Tree {
        Tree::Leaf(text.to_owned())
    }

    #[test]
    fn brackets_nest_and_lists_keep_their_order() {
        let tree = parse("a[b][c]=1&l[]=x&l[]=y&i[0][p]=q+r&i[0][n]=2");
        let expected = Tree::Branch(vec![
            ("a".into(), Tree::Branch(vec![("b".into(), Tree::Branch(vec![("c".into(), leaf("1"))]))])),
            ("l".into(), Tree::Branch(vec![("0".into(), leaf("x")), ("1".into(), leaf("y"))])),
            (
                "i".into(),
                Tree::Branch(vec![(
                    "0".into(),
                    Tree::Branch(vec![("p".into(), leaf("q r")), ("n".into(), leaf("2"))]),
                )]),
            ),
        ]);
        assert_eq!(tree, expected);
    }

    #[test]
    fn empty_brackets_fill_one_element_until_a_name_repeats() {
        let tree = parse("l[][p]=a&l[][q]=1&l[][p]=b");
        let Tree::Branch(parts) = tree else { panic!("a branch") };
        let Tree::Branch(elements) = &parts[0].1 else { panic!("a list") };
        assert_eq!(elements.len(), 2);
    }
}
