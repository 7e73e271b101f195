//! An array, a map or a variant's data while it is written, element by element. What it is, is decided in [`super`].

use std::ops::Range;

use serde::{Serialize, ser};

use super::Serializer;
use crate::value::error::{Step, ValueError};

/// An array or map being written.
pub(crate) struct Compound<'s, 'a> {
    serializer: &'s mut Serializer<'a>,
    /// Where its head is, in case the length in it was guessed wrong.
    start: usize,
    guessed: usize,
    length: usize,
    /// Where the bytes of the latest key are, for the path of an error.
    key: Range<usize>,
    /// How many levels of nesting end with it.
    pub(super) levels: usize,
    pub(super) inside: Inside,
}

/// What the path of an error goes through before it comes to the elements of a [`Compound`].
#[derive(Clone, Copy)]
pub(super) enum Inside {
    Nothing,
    /// The name that the data of an enum's variant is under.
    Variant(&'static str),
    /// The compound is a tag: its "elements" are none to who reads the path.
    Tag,
}

impl<'s, 'a> Compound<'s, 'a> {
    pub(super) fn new(serializer: &'s mut Serializer<'a>, start: usize, guessed: usize) -> Self {
        Self {
            serializer,
            start,
            guessed,
            length: 0,
            key: 0..0,
            levels: 1,
            inside: Inside::Nothing,
        }
    }
}

impl Compound<'_, '_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let index = self.length;
        self.length += 1;
        value
            .serialize(&mut *self.serializer)
            .map_err(|error| self.path(error, Step::Index(index)))
    }

    #[cold]
    fn path(&self, error: ValueError, step: Step) -> ValueError {
        match self.inside {
            Inside::Nothing => error.inside(step),
            Inside::Variant(name) => error.inside(step).inside(Step::Key(name.to_owned())),
            Inside::Tag => error,
        }
    }

    fn field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.length += 1;
        self.serializer.writer.text(key);
        value
            .serialize(&mut *self.serializer)
            .map_err(|error| self.path(error, Step::Key(key.to_owned())))
    }

    fn finish(self) -> Result<(), ValueError> {
        self.serializer
            .writer
            .correct_length(self.start, self.guessed, self.length);
        self.serializer.depth -= self.levels;
        Ok(())
    }
}

impl ser::SerializeSeq for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.element(value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish()
    }
}

impl ser::SerializeTuple for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.element(value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.element(value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.element(value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish()
    }
}

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.length += 1;
        let start = self.serializer.writer.position();
        key.serialize(&mut *self.serializer)
            .map_err(|error| error.inside(Step::Member))?;
        self.key = start..self.serializer.writer.position();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let written = value.serialize(&mut *self.serializer);
        written.map_err(|error| {
            error.inside(Step::key(self.serializer.writer.written(self.key.clone())))
        })
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish()
    }
}

impl ser::SerializeStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.field(key, value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.finish()
    }
}
