//! Tags on the wire: a tag's text travels once for each link, and as a number after. One table a direction; the sender
//! gives out the numbers, from 1 up, and both sides count the same bounds.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::error::Misbehaviour;
use crate::limits::{MAX_TAG_TEXT, MAX_TAGS};

/// A called tag, and the number under which its link remembers it.
///
/// The number is the same for every call of the tag on one link, so that a server can look its function up once and
/// then by number. 0 is no number: the tag was sent in full and not remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The number on this link; 0 for none.
    pub number: u32,
    /// The tag itself.
    pub name: Arc<str>,
}

/// The bounds of a table, counted by either side in the same way.
#[derive(Debug, Default)]
struct Used {
    tags: usize,
    text: usize,
}

impl Used {
    fn has_room(&self, tag: &str) -> bool {
        self.tags < MAX_TAGS && self.text + tag.len() <= MAX_TAG_TEXT
    }

    fn add(&mut self, tag: &str) {
        self.tags += 1;
        self.text += tag.len();
    }
}

/// The tags that we have sent.
#[derive(Debug, Default)]
pub(super) struct SentTags {
    numbers: HashMap<Box<str>, u32, RandomState>,
    used: Used,
    /// The last that has a number, and that: to compare the next with it, as nearly always the same, costs less than a hash.
    last: (String, u32),
}

/// How a tag is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagUse {
    pub(super) number: u32,
    pub(super) in_full: bool,
}

impl SentTags {
    pub(super) fn plan(&self, tag: &str) -> TagUse {
        let (last, number) = &self.last;
        if *number != 0 && last == tag {
            let (number, in_full) = (*number, false);
            return TagUse { number, in_full };
        }
        match self.numbers.get(tag) {
            Some(&number) => TagUse {
                number,
                in_full: false,
            },
            None if self.used.has_room(tag) => TagUse {
                // Lossless: there are at most MAX_TAGS.
                number: self.used.tags as u32 + 1,
                in_full: true,
            },
            None => TagUse {
                number: 0,
                in_full: true,
            },
        }
    }

    /// The tag was sent as planned.
    pub(super) fn sent(&mut self, tag: &str, tag_use: TagUse) {
        if tag_use.in_full && tag_use.number != 0 {
            self.numbers.insert(tag.into(), tag_use.number);
            self.used.add(tag);
        }
        let (last, number) = &mut self.last;
        if tag_use.number != 0 && *number != tag_use.number {
            tag.clone_into(last);
            *number = tag_use.number;
        }
    }
}

/// The tags that the other side has sent.
#[derive(Debug, Default)]
pub(super) struct KnownTags {
    names: Vec<Arc<str>>,
    used: Used,
}

impl KnownTags {
    /// The tag that a call means, which is remembered if it is new.
    pub(super) fn resolve(
        &mut self,
        number: u32,
        name: Option<Arc<str>>,
    ) -> Result<Tag, Misbehaviour> {
        let bad = Misbehaviour::BadTagNumber(number);
        let Some(name) = name else {
            let index = (number as usize).checked_sub(1).ok_or(bad.clone())?;
            let name = self.names.get(index).ok_or(bad)?.clone();
            return Ok(Tag { number, name });
        };
        if number != 0 {
            if number as usize != self.names.len() + 1 {
                return Err(bad);
            }
            if !self.used.has_room(&name) {
                return Err(Misbehaviour::TooManyTags);
            }
            self.used.add(&name);
            self.names.push(name.clone());
        }
        Ok(Tag { number, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn travel(sent: &mut SentTags, known: &mut KnownTags, tag: &str) -> (TagUse, Tag) {
        let plan = sent.plan(tag);
        sent.sent(tag, plan);
        let name = plan.in_full.then(|| Arc::from(tag));
        (plan, known.resolve(plan.number, name).unwrap())
    }

    #[test]
    fn a_tag_is_sent_once_and_by_number_after() {
        let (mut sent, mut known) = Default::default();
        for (tag, number, in_full) in [("a.f", 1, true), ("a.g", 2, true), ("a.f", 1, false)] {
            let (plan, seen) = travel(&mut sent, &mut known, tag);
            assert_eq!(plan, TagUse { number, in_full });
            assert_eq!((seen.number, &*seen.name), (number, tag));
        }
    }

    #[test]
    fn a_full_table_sends_every_further_tag_in_full() {
        let (mut sent, mut known) = Default::default();
        let long = |n: usize| format!("{n:01024}");
        let fit = MAX_TAG_TEXT / 1024;
        for n in 0..fit {
            assert_eq!(
                travel(&mut sent, &mut known, &long(n)).1.number,
                n as u32 + 1
            );
        }
        for _ in 0..2 {
            assert_eq!(travel(&mut sent, &mut known, &long(fit)).1.number, 0);
        }
        let over = known.resolve(fit as u32 + 1, Some("x".into()));
        assert_eq!(over, Err(Misbehaviour::TooManyTags));
    }

    #[test]
    fn numbers_that_were_not_given_out_are_refused() {
        let mut known = KnownTags::default();
        for (number, name) in [(0, None), (1, None), (2, Some("f".into()))] {
            let refused = known.resolve(number, name);
            assert_eq!(refused, Err(Misbehaviour::BadTagNumber(number)));
        }
    }
}
