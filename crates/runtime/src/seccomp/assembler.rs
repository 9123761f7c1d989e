//! The kernel's classic byte code, put together from the end: a jump then always goes to what is there already. Pure.

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) operation: u16,
    pub(super) jump_true: u8,
    pub(super) jump_false: u8,
    pub(super) value: u32,
}

/// Loads a word of what is filtered, see [`Field`].
pub(super) const LOAD: u16 = 0x20;
pub(super) const AND: u16 = 0x54;
pub(super) const RETURN: u16 = 0x06;
pub(super) const JUMP: u16 = 0x05;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const JUMP_GREATER: u16 = 0x25;
pub(super) const JUMP_AT_LEAST: u16 = 0x35;

/// The words of what is filtered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    /// The number of the system call.
    Number,
    /// The kind of program that makes it.
    Architecture,
    /// The lower half of an argument.
    Low(u8),
    /// The upper half of an argument.
    High(u8),
}

impl Field {
    fn offset(self) -> u32 {
        match self {
            Self::Number => 0,
            Self::Architecture => 4,
            Self::Low(argument) => 16 + 8 * u32::from(argument),
            Self::High(argument) => 20 + 8 * u32::from(argument),
        }
    }
}

/// A place in the program: how many instructions there are from it to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

/// A program that grows at its front.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// The last instruction first.
    reversed: Vec<Instruction>,
}

impl Assembler {
    fn put(&mut self, operation: u16, value: u32, jump_true: u8, jump_false: u8) -> Place {
        self.reversed.push(Instruction {
            operation,
            jump_true,
            jump_false,
            value,
        });
        Place(self.reversed.len())
    }

    /// Ends with this verdict.
    pub(super) fn verdict(&mut self, value: u32) -> Place {
        self.put(RETURN, value, 0, 0)
    }

    /// Loads a word and goes on with what was put before, which must be what is to come next.
    pub(super) fn load(&mut self, field: Field) -> Place {
        self.put(LOAD, field.offset(), 0, 0)
    }

    /// Keeps these bits of what was loaded, and goes on with what was put before.
    pub(super) fn keep_bits(&mut self, bits: u32) -> Place {
        self.put(AND, bits, 0, 0)
    }

    /// Goes to one place or another by comparing what was loaded.
    pub(super) fn branch(&mut self, comparison: u16, value: u32, yes: Place, no: Place) -> Place {
        let yes = self.near(yes, 2);
        let no = self.near(no, 1);
        let skip = |place: Place| u8::try_from(self.reversed.len() - place.0).unwrap_or(u8::MAX);
        let (yes, no) = (skip(yes), skip(no));
        self.put(comparison, value, yes, no)
    }

    /// The place itself, or one that leads there and that a branch can reach: a branch skips 255 instructions at most,
    /// of which `room` may come in between still.
    fn near(&mut self, place: Place, room: usize) -> Place {
        let skip = self.reversed.len() - place.0;
        if u8::try_from(skip + room).is_ok() {
            return place;
        }
        self.put(JUMP, u32::try_from(skip).unwrap_or(u32::MAX), 0, 0)
    }

    /// The end of the program as it is now; what is put next goes on there.
    pub(super) fn goes_on_at(&self, place: Place) -> bool {
        place.0 == self.reversed.len()
    }

    /// Makes `place` what comes next.
    pub(super) fn go_on_at(&mut self, place: Place) {
        if !self.goes_on_at(place) {
            let skip = self.reversed.len() - place.0;
            self.put(JUMP, u32::try_from(skip).unwrap_or(u32::MAX), 0, 0);
        }
    }

    /// The instructions, first one first.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }
}

/// The bytes that the kernel takes.
pub(super) fn bytes(program: &[Instruction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for instruction in program {
        bytes.extend(instruction.operation.to_ne_bytes());
        bytes.extend([instruction.jump_true, instruction.jump_false]);
        bytes.extend(instruction.value.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
pub(super) mod machine {
    //! Runs programs as the kernel does.

    use super::{AND, Instruction, JUMP, JUMP_AT_LEAST, JUMP_EQUAL, JUMP_GREATER, LOAD, RETURN};

    pub(in crate::seccomp) fn run(
        program: &[Instruction],
        number: u32,
        architecture: u32,
        arguments: [u64; 6],
    ) -> u32 {
        let mut words = vec![number, architecture, 0, 0];
        for argument in arguments {
            words.extend([(argument & 0xffff_ffff) as u32, (argument >> 32) as u32]);
        }
        let (mut loaded, mut place) = (0_u32, 0_usize);
        loop {
            let step = program[place];
            place += 1;
            let branch =
                |yes: bool| usize::from(if yes { step.jump_true } else { step.jump_false });
            match step.operation {
                LOAD => loaded = words[step.value as usize / 4],
                AND => loaded &= step.value,
                RETURN => return step.value,
                JUMP => place += step.value as usize,
                JUMP_EQUAL => place += branch(loaded == step.value),
                JUMP_GREATER => place += branch(loaded > step.value),
                JUMP_AT_LEAST => place += branch(loaded >= step.value),
                other => panic!("no such operation: {other:#x}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::machine::run;
    use super::{Assembler, Field, JUMP_AT_LEAST, JUMP_EQUAL};

    #[test]
    fn branches_reach_as_far_as_they_must() {
        let mut assembler = Assembler::default();
        let far = assembler.verdict(1);
        let mut near = assembler.verdict(2);
        for value in 0..600 {
            near = assembler.branch(JUMP_EQUAL, 10_000 + value, far, near);
        }
        assembler.branch(JUMP_AT_LEAST, 5, near, far);
        assembler.load(Field::Number);
        let program = assembler.finish();
        assert_eq!(run(&program, 4, 0, [0; 6]), 1);
        assert_eq!(run(&program, 5, 0, [0; 6]), 2);
        assert_eq!(run(&program, 10_000, 0, [0; 6]), 1);
        assert_eq!(run(&program, 10_599, 0, [0; 6]), 1);
        assert_eq!(run(&program, 10_600, 0, [0; 6]), 2);
    }
}
