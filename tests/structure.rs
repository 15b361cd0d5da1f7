//! No two files need each other, in the library and in every other crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, File, ItemMod, ItemUse, Meta, UseTree, VisRestricted, Visibility};

/// A module of a crate, as the names from its root.
type Module = Vec<String>;

/// What one file names, and the names it makes public that are from elsewhere.
#[derive(Default)]
struct Names {
    used: Vec<Module>,
    exported: BTreeMap<String, Module>,
    /// How many modules within the file are around what is visited.
    depth: u32,
}

fn is_test(attributes: &[Attribute]) -> bool {
    let is_cfg_test = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) => {
            let tokens = list.tokens.to_string();
            list.path.is_ident("cfg") && (tokens == "test" || tokens.starts_with("all (test ,"))
        }
        _ => false,
    };
    attributes.iter().any(is_cfg_test)
}

impl<'ast> Visit<'ast> for Names {
    // What tests build their cases from is free.
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            self.depth += 1;
            visit::visit_item_mod(self, module);
            self.depth -= 1;
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut leaves = vec![];
        flatten(&item.tree, vec![], &mut leaves);
        for (name, path) in leaves {
            if self.depth == 0 && !matches!(item.vis, Visibility::Inherited) {
                self.exported.insert(name, path.clone());
            }
            self.used.push(path);
        }
    }

    // `pub(super)` says who may use it, and uses nothing.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.used.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

fn flatten(tree: &UseTree, mut path: Module, leaves: &mut Vec<(String, Module)>) {
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            flatten(&inner.tree, path, leaves);
        }
        UseTree::Name(name) if name.ident == "self" => leaves.push((String::new(), path)),
        UseTree::Name(name) => {
            path.push(name.ident.to_string());
            leaves.push((name.ident.to_string(), path));
        }
        UseTree::Rename(renamed) => {
            path.push(renamed.ident.to_string());
            leaves.push((renamed.rename.to_string(), path));
        }
        UseTree::Glob(_) => leaves.push((String::new(), path)),
        UseTree::Group(group) => {
            group.items.iter().for_each(|item| flatten(item, path.clone(), leaves));
        }
    }
}

/// The modules below a folder of sources, each with its file's text.
fn modules(src: &Path) -> BTreeMap<Module, String> {
    fn add(folder: &Path, module: &Module, found: &mut BTreeMap<Module, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let mut own = module.clone();
            if path.is_dir() {
                own.push(stem);
                add(&path, &own, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                if !["mod", "lib", "main"].contains(&stem.as_str()) {
                    own.push(stem);
                }
                found.insert(own, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    add(src, &vec![], &mut found);
    found
}

/// The groups of modules that need each other. A folder's own module, which only says what is
/// public, counts as what it names.
fn circles(modules: &BTreeMap<Module, String>) -> Vec<BTreeSet<Module>> {
    let names = modules.iter().map(|(module, text)| {
        let file: File = syn::parse_file(text).unwrap();
        let mut names = Names::default();
        names.visit_file(&file);
        (module.clone(), names)
    });
    let names: BTreeMap<Module, Names> = names.collect();
    let needed = |module: &Module| -> BTreeSet<Module> {
        let targets = names[module].used.iter().filter_map(|path| target(module, path, &names, 0));
        targets.filter(|other| other != module).collect()
    };
    let needs: BTreeMap<&Module, BTreeSet<Module>> =
        names.keys().map(|module| (module, needed(module))).collect();
    let reached = |from: &Module| {
        let (mut found, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = next.pop() {
            let new = needs[&module].iter().filter(|other| found.insert((*other).clone()));
            next.extend(new.cloned());
        }
        found
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        names.keys().map(|module| (module, reached(module))).collect();
    let group = |module: &&Module| -> BTreeSet<Module> {
        let back = |other: &&Module| reached[*other].contains(*module);
        reached[*module].iter().filter(back).cloned().collect()
    };
    let groups: BTreeSet<BTreeSet<Module>> = names.keys().map(|module| group(&module)).collect();
    groups.into_iter().filter(|group| group.len() > 1).collect()
}

/// The module that a path in `from` leads into: none of this crate for most.
fn target(
    from: &Module,
    path: &Module,
    names: &BTreeMap<Module, Names>,
    hops: u32,
) -> Option<Module> {
    let mut at = from.clone();
    let mut rest = path.as_slice();
    match rest.first()?.as_str() {
        "crate" => {
            at.clear();
            rest = &rest[1..];
        }
        "self" | "super" => {
            while let Some(word) =
                rest.first().filter(|word| ["self", "super"].contains(&word.as_str()))
            {
                if word == "super" {
                    at.pop();
                }
                rest = &rest[1..];
            }
        }
        first => {
            at.push(first.to_owned());
            if !names.contains_key(&at) {
                return None;
            }
            rest = &rest[1..];
        }
    }
    for name in rest {
        let mut below = at.clone();
        below.push(name.clone());
        if names.contains_key(&below) {
            at = below;
        } else if let Some(other) = names[&at].exported.get(name).filter(|_| hops < 8) {
            // What another crate has is nobody's here.
            return target(&at, other, names, hops + 1);
        } else {
            break;
        }
    }
    Some(at)
}

#[test]
fn no_two_files_need_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> =
        crates.chain([root.to_owned()]).map(|path| path.join("src")).collect();
    assert!(folders.len() > 8);
    for folder in folders {
        let found = circles(&modules(&folder));
        assert!(found.is_empty(), "in {} these need each other: {found:?}", folder.display());
    }
}

#[test]
fn circles_are_found_however_they_are_written() {
    let lib = "pub mod data; pub mod model; pub use data::Faces;";
    for (faces, split) in [
        ("use super::split::Split;", "use super::Faces;"),
        ("use crate::data::{pictures, split::Split};", "fn f(_: crate::Faces) {}"),
        ("fn f() { super::split::g() }", "use crate::{Faces, model};"),
    ] {
        let folder = "mod faces; mod split; mod pictures; pub use faces::Faces;";
        let files = [("", lib), ("data", folder), ("data::faces", faces), ("data::split", split)];
        let mut files: BTreeMap<Module, String> = files
            .into_iter()
            .chain([("data::pictures", ""), ("model", "use crate::data::Faces;")])
            .map(|(path, text)| {
                let names = path.split("::").filter(|name| !name.is_empty());
                (names.map(str::to_owned).collect(), text.to_owned())
            })
            .collect();
        let found = circles(&files);
        assert!(found.iter().any(|group| group.len() >= 2), "{faces} {split}: {found:?}");
        let split = vec!["data".to_owned(), "split".to_owned()];
        files.insert(split, "#[cfg(test)] mod tests { use super::super::Faces; }".to_owned());
        assert!(circles(&files).is_empty(), "{faces}");
    }
}
