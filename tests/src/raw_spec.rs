// SPDX-License-Identifier: BSD-2-Clause
//! Compiled specs that were never text: for what the checker would refuse, so that the root task has to.

use capdl::blob::{Cap, CapData, Kind, ObjectId, Rights, Writer};

/// A spec. Objects are on lines 1, 2, 3 and so on, the capabilities of object n on line 1000 + n.
#[derive(Clone, Debug, Default)]
pub struct RawSpec {
    objects: Vec<Object>,
}

#[derive(Clone, Debug)]
struct Object {
    name: String,
    within: Option<ObjectId>,
    kind: Kind<'static>,
    caps: Vec<(String, ObjectId, Rights, CapData)>,
}

impl RawSpec {
    /// Adds an object.
    pub fn object(&mut self, name: impl Into<String>, kind: Kind<'static>) -> ObjectId {
        self.objects.push(Object {
            name: name.into(),
            within: None,
            kind,
            caps: Vec::new(),
        });
        ObjectId(self.objects.len() as u16 - 1)
    }

    /// Adds an object inside an untyped.
    pub fn within(
        &mut self,
        untyped: ObjectId,
        name: impl Into<String>,
        kind: Kind<'static>,
    ) -> ObjectId {
        let id = self.object(name, kind);
        self.objects[usize::from(id.0)].within = Some(untyped);
        id
    }

    /// Gives an object a capability with these letters as rights.
    pub fn cap(&mut self, holder: ObjectId, slot: impl ToString, target: ObjectId, letters: &str) {
        self.cap_with(holder, slot, target, letters, CapData::None);
    }

    /// The same with a badge, a guard, or an attribute.
    pub fn cap_with(
        &mut self,
        holder: ObjectId,
        slot: impl ToString,
        target: ObjectId,
        letters: &str,
        data: CapData,
    ) {
        let rights = Rights {
            read: letters.contains('R'),
            write: letters.contains('W'),
            grant: letters.contains('G'),
            grant_reply: letters.contains('P'),
        };
        let caps = &mut self.objects[usize::from(holder.0)].caps;
        caps.push((slot.to_string(), target, rights, data));
    }

    /// The compiled form.
    ///
    /// # Panics
    /// There is too much of something for the format.
    pub fn compile(&self, file: &str) -> Vec<u8> {
        let mut writer = Writer::new(file, &[0; 32], self.objects.len()).expect("few objects");
        for (object, line) in self.objects.iter().zip(1..) {
            let caps = object.caps.iter().map(|(slot, target, rights, data)| Cap {
                slot,
                line: 1000 + line,
                target: *target,
                rights: *rights,
                data: *data,
            });
            let place = (&*object.name, line);
            writer
                .object(place, object.within, object.kind.clone(), caps)
                .expect("an object that fits");
        }
        writer.finish()
    }
}
