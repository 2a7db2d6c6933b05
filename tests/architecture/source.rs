//! One source file as the law sees it: every path that it names, with its line.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{
    Attribute, ExprMethodCall, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemUse, Macro, UseTree,
    VisRestricted, Visibility,
    visit::{self, Visit},
};

/// Something that a file names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// From 1.
    pub line: usize,
    /// From the root: `crate`, or the name of another crate, first. A glob ends in `*`.
    pub path: Vec<String>,
    /// Only compiled for tests.
    pub test: bool,
    /// `pub use`: given on to others.
    pub given_on: bool,
}

/// A file that was parsed.
#[derive(Debug)]
pub struct Source {
    /// All that it names, its own aliases followed.
    pub uses: BTreeSet<Use>,
    /// Names that it brings in, or gives on by `pub use`, and what each may stand for.
    pub aliases: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// Names that stand alone somewhere in it, outside of its `use`s and of tests.
    pub words: BTreeSet<String>,
    /// Modules that are only compiled for tests, as paths from the crate's root.
    pub test_modules: Vec<Vec<String>>,
}

/// Aliases that lead to aliases are followed so far.
const MAX_ALIASES: usize = 8;

impl Source {
    /// Parses the file of a module (`["xds", "session"]`), which lies in a folder (`["xds"]`).
    pub fn parse(module: &[String], folder: &[String], text: &str) -> Result<Source, syn::Error> {
        let file = syn::parse_file(text)?;
        let mut reader = Reader {
            module: module.to_vec(),
            folder: folder.to_vec(),
            tests: usize::from(is_test(&file.attrs)),
            ..Reader::default()
        };
        reader.visit_file(&file);
        let uses = reader.found.iter().flat_map(|found| {
            let resolved = resolve(&found.path, &reader.aliases, MAX_ALIASES);
            resolved.into_iter().map(|path| Use {
                line: found.line,
                path,
                test: found.test,
                given_on: found.given_on,
            })
        });
        Ok(Source {
            uses: uses.collect(),
            aliases: reader.aliases,
            words: reader.words,
            test_modules: reader.test_modules,
        })
    }
}

#[derive(Default)]
struct Reader {
    module: Vec<String>,
    folder: Vec<String>,
    /// How many of the items around are `#[cfg(test)]`.
    tests: usize,
    /// The item around is a `pub use`.
    given_on: bool,
    found: Vec<Use>,
    aliases: BTreeMap<String, BTreeSet<Vec<String>>>,
    words: BTreeSet<String>,
    test_modules: Vec<Vec<String>>,
}

impl Reader {
    /// Notes a path as it is written; `super` and `self` are made absolute.
    fn note(&mut self, written: &[String], span: Span) {
        let mut module = self.module.clone();
        let mut rest = written;
        let mut relative = false;
        while let [first, tail @ ..] = rest {
            match first.as_str() {
                "self" if !relative => relative = true,
                "super" => {
                    relative = true;
                    module.pop();
                }
                _ => break,
            }
            rest = tail;
        }
        let path = match relative {
            true => [vec!["crate".to_owned()], module, rest.to_vec()].concat(),
            false => rest.to_vec(),
        };
        self.found.push(Use {
            line: span.start().line,
            path,
            test: self.tests > 0,
            given_on: self.given_on,
        });
    }

    fn use_tree(&mut self, tree: &UseTree, before: &[String], span: Span) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => {
                self.use_tree(&path.tree, &with(path.ident.to_string()), path.ident.span());
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, before, span);
                }
            }
            UseTree::Glob(star) => {
                self.note(&with("*".to_owned()), star.star_token.spans[0]);
            }
            UseTree::Name(name) if name.ident == "self" => {
                let alias = before.last().cloned().unwrap_or_default();
                self.alias(alias, before, span);
            }
            UseTree::Name(name) => {
                let ident = name.ident.to_string();
                self.alias(ident.clone(), &with(ident), name.ident.span());
            }
            UseTree::Rename(rename) if rename.ident == "self" => {
                self.alias(rename.rename.to_string(), before, rename.ident.span());
            }
            UseTree::Rename(rename) => {
                let path = with(rename.ident.to_string());
                self.alias(rename.rename.to_string(), &path, rename.ident.span());
            }
        }
    }

    fn alias(&mut self, name: String, path: &[String], span: Span) {
        self.note(path, span);
        if let Some(noted) = self.found.last() {
            // `use serde_json;` names itself: nothing to follow.
            if noted.path.first() != Some(&name) {
                let paths = self.aliases.entry(name).or_default();
                paths.insert(noted.path.clone());
            }
        }
    }

    /// Paths among the tokens of a macro, which syn does not parse. `before`: what stands before a `::{…}`.
    fn tokens(&mut self, tokens: TokenStream, before: &[String]) {
        let mut path: Vec<String> = before.to_vec();
        let mut start: Option<Span> = None;
        let mut colons = 2;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if colons == 2 => {
                    start.get_or_insert(ident.span());
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && colons < 2 => colons += 1,
                TokenTree::Group(group) if colons == 2 && start.is_some() => {
                    self.tokens(group.stream(), &path);
                    (path, start, colons) = (before.to_vec(), None, 2);
                }
                other => {
                    self.end_of_path(&path, start);
                    (path, start, colons) = (before.to_vec(), None, 2);
                    match other {
                        TokenTree::Group(group) => self.tokens(group.stream(), &[]),
                        TokenTree::Ident(ident) => {
                            path.push(ident.to_string());
                            (start, colons) = (Some(ident.span()), 0);
                        }
                        _ => {}
                    }
                }
            }
        }
        self.end_of_path(&path, start);
    }

    fn end_of_path(&mut self, path: &[String], start: Option<Span>) {
        match (start, path) {
            (Some(_), [word]) if self.tests == 0 => {
                self.words.insert(word.clone());
            }
            (Some(span), [_, _, ..]) => self.note(path, span),
            _ => {}
        }
    }

    fn within(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let test = usize::from(is_test(attributes));
        self.tests += test;
        visit(self);
        self.tests -= test;
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        if is_test(&item.attrs) {
            let elsewhere = path_attribute(&item.attrs).map(|file| {
                let parts = file.trim_end_matches(".rs").split('/').map(str::to_owned);
                self.folder.iter().cloned().chain(parts).collect()
            });
            let module = elsewhere.unwrap_or_else(|| self.module.clone());
            self.test_modules.push(module);
        }
        self.within(&item.attrs, |this| visit::visit_item_mod(this, item));
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.within(&item.attrs, |this| visit::visit_item_fn(this, item));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.within(&item.attrs, |this| visit::visit_item_impl(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.within(&item.attrs, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.given_on = !matches!(item.vis, Visibility::Inherited);
        self.within(&item.attrs, |this| {
            this.use_tree(&item.tree, &[], item.use_token.span);
        });
        self.given_on = false;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        match written.as_slice() {
            [word] if self.tests == 0 => {
                self.words.insert(word.clone());
            }
            [_] => {}
            _ => {
                if let Some(first) = path.segments.first() {
                    self.note(&written, first.ident.span());
                }
            }
        }
        visit::visit_path(self, path);
    }

    // Written as `.name()` among the uses: a method has no path of its own.
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let name = &call.method;
        if name == "unwrap" || name == "expect" {
            self.note(&[format!(".{name}()")], name.span());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        if let Some(name) = item.path.get_ident() {
            self.note(&[format!("{name}!")], name.span());
        }
        self.tokens(item.tokens.clone(), &[]);
        visit::visit_macro(self, item);
    }

    // `pub(in crate::xds)` says who may look, and looks at nothing.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone(), &[]);
        }
        visit::visit_attribute(self, attribute);
    }
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]`, `#[cfg(any(test, …))]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || (condition.contains("(test") && !condition.contains("not (test"))
        }
        meta => meta
            .path()
            .segments
            .last()
            .is_some_and(|s| s.ident == "test"),
    })
}

/// The file that a module lies in by `#[path = "…"]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(file),
                    ..
                }) => Some(file.value()),
                _ => None,
            },
            _ => None,
        })
}

/// The paths that a path may stand for, its first word being an alias.
fn resolve(
    path: &[String],
    aliases: &BTreeMap<String, BTreeSet<Vec<String>>>,
    depth: usize,
) -> Vec<Vec<String>> {
    let Some((first, rest)) = path.split_first() else {
        return Vec::new();
    };
    match aliases.get(first) {
        Some(targets) if depth > 0 => targets
            .iter()
            .map(|target| [target.as_slice(), rest].concat())
            .flat_map(|path| resolve(&path, aliases, depth - 1))
            .collect(),
        _ => vec![path.to_vec()],
    }
}
