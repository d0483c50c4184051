use super::Mailbox;
use crate::bus::{Subject, SubjectFilter};
use std::{collections::HashMap, sync::Arc};

/// One subscription.
pub(super) struct Entry {
    pub(super) queue: Option<Box<str>>,
    pub(super) mailbox: Arc<Mailbox>,
}

/// Subscriptions by the tokens of their filters.
///
/// Invariant: every node but the root holds an entry, or has a child that does; so what was subscribed and dropped leaves
/// nothing behind.
#[derive(Default)]
pub(super) struct Trie {
    root: Node,
    len: usize,
}

#[derive(Default)]
struct Node {
    literal: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    here: Vec<Entry>,
    rest: Vec<Entry>,
}

impl Trie {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, filter: &SubjectFilter, entry: Entry) {
        let mut node = &mut self.root;
        self.len += 1;
        for token in filter.tokens() {
            node = match token {
                ">" => return node.rest.push(entry),
                "*" => node.any.get_or_insert_default(),
                // Looked up first: `entry` would copy the token each time.
                token if node.literal.contains_key(token) => match node.literal.get_mut(token) {
                    Some(child) => child,
                    None => return,
                },
                token => node.literal.entry(token.into()).or_default(),
            };
        }
        node.here.push(entry);
    }

    pub(super) fn remove(&mut self, filter: &SubjectFilter, mailbox: &Arc<Mailbox>) {
        let tokens: Vec<_> = filter.tokens().collect();
        if self.root.remove(&tokens, mailbox) {
            self.len -= 1;
        }
    }

    /// Calls `act` for every subscription whose filter matches.
    pub(super) fn visit<'a>(&'a self, subject: &Subject, act: &mut impl FnMut(&'a Entry)) {
        self.root.visit(subject.as_str(), act);
    }

    /// Calls `act` for every subscription.
    pub(super) fn each<'a>(&'a self, act: &mut impl FnMut(&'a Entry)) {
        self.root.each(act);
    }
}

impl Node {
    fn visit<'a>(&'a self, rest: &str, act: &mut impl FnMut(&'a Entry)) {
        self.rest.iter().for_each(&mut *act);
        let (token, below) = rest.split_once('.').map_or((rest, None), |(token, below)| (token, Some(below)));
        for child in self.literal.get(token).into_iter().chain(self.any.as_deref()) {
            match below {
                Some(below) => child.visit(below, act),
                None => child.here.iter().for_each(&mut *act),
            }
        }
    }

    fn each<'a>(&'a self, act: &mut impl FnMut(&'a Entry)) {
        self.here.iter().chain(&self.rest).for_each(&mut *act);
        for child in self.literal.values().chain(self.any.as_deref()) {
            child.each(act);
        }
    }

    /// Whether it was found.
    fn remove(&mut self, tokens: &[&str], mailbox: &Arc<Mailbox>) -> bool {
        let take = |entries: &mut Vec<Entry>| {
            let found = entries.iter().position(|entry| Arc::ptr_eq(&entry.mailbox, mailbox));
            found.map(|index| entries.remove(index)).is_some()
        };
        match tokens {
            [] => take(&mut self.here),
            [">"] => take(&mut self.rest),
            ["*", below @ ..] => {
                let Some(child) = &mut self.any else { return false };
                let found = child.remove(below, mailbox);
                if child.is_empty() {
                    self.any = None;
                }
                found
            }
            [token, below @ ..] => {
                let Some(child) = self.literal.get_mut(*token) else { return false };
                let found = child.remove(below, mailbox);
                if child.is_empty() {
                    self.literal.remove(*token);
                }
                found
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any.is_none() && self.here.is_empty() && self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::SubscribeOptions;

    fn entry() -> (Entry, Arc<Mailbox>) {
        let mailbox = Mailbox::new(&SubscribeOptions::default().with_capacity(1));
        (Entry { queue: None, mailbox: Arc::clone(&mailbox) }, mailbox)
    }

    /// Every filter and subject of up to three tokens over a small alphabet, against the plain definition.
    #[test]
    fn agrees_with_the_definition() {
        let words = |tokens: &[&str]| -> Vec<String> {
            let one: Vec<String> = tokens.iter().map(|t| (*t).to_owned()).collect();
            let join = |some: &[String]| -> Vec<String> {
                some.iter().flat_map(|a| tokens.iter().map(move |b| format!("{a}.{b}"))).collect()
            };
            let two = join(&one);
            let three = join(&two);
            [one, two, three].concat()
        };
        let filters: Vec<SubjectFilter> =
            words(&["a", "b", "*", ">"]).iter().filter_map(|text| SubjectFilter::new(text).ok()).collect();
        let subjects: Vec<Subject> = words(&["a", "b", "c"]).iter().map(|text| Subject::new(text).unwrap()).collect();
        let mut trie = Trie::default();
        let mut mailboxes = Vec::new();
        for filter in &filters {
            let (entry, mailbox) = entry();
            trie.insert(filter, entry);
            mailboxes.push(mailbox);
        }
        assert_eq!(trie.len(), filters.len());
        let check = |trie: &Trie, gone: usize| {
            for subject in &subjects {
                let mut found = Vec::new();
                trie.visit(subject, &mut |entry| {
                    found.push(mailboxes.iter().position(|mailbox| Arc::ptr_eq(mailbox, &entry.mailbox)).unwrap());
                });
                found.sort_unstable();
                let expected: Vec<_> = (gone..filters.len()).filter(|&i| filters[i].matches(subject)).collect();
                assert_eq!(found, expected, "{subject} without the first {gone} filters");
            }
        };
        check(&trie, 0);
        for gone in 0..filters.len() {
            trie.remove(&filters[gone], &mailboxes[gone]);
            trie.remove(&filters[gone], &mailboxes[gone]);
            check(&trie, gone + 1);
        }
        assert_eq!(trie.len(), 0);
        assert!(trie.root.is_empty(), "nothing is left behind");
    }

    #[test]
    fn removing_one_leaves_its_neighbours() {
        let mut trie = Trie::default();
        let filter = SubjectFilter::new("a.*.>").unwrap();
        let ((first, gone), (second, stays)) = (entry(), entry());
        trie.insert(&filter, first);
        trie.insert(&filter, second);
        trie.remove(&filter, &gone);
        let mut found = 0;
        trie.each(&mut |entry| {
            assert!(Arc::ptr_eq(&entry.mailbox, &stays));
            found += 1;
        });
        assert_eq!((found, trie.len()), (1, 1));
    }
}
