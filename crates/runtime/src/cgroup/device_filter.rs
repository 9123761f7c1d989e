//! Device access on cgroups v2: a small program in the kernel, asked each time a device is opened or made.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::spec::DeviceRule;

const PROGRAM_LOAD: libc::c_long = 5;
const PROGRAM_ATTACH: libc::c_long = 8;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// One instruction: operation, registers, offset, value.
fn instruction(operation: u8, target: u8, source: u8, offset: i16, value: i32) -> [u8; 8] {
    let (offset, value) = (offset.to_ne_bytes(), value.to_ne_bytes());
    [
        operation,
        target | source << 4,
        offset[0],
        offset[1],
        value[0],
        value[1],
        value[2],
        value[3],
    ]
}

/// The program that lets these rules through and nothing else.
///
/// What is asked comes as three words: kind of device (low half) with kinds of access (high half), major, minor.
pub(super) fn program(rules: &[DeviceRule]) -> Vec<u8> {
    let mut code = vec![
        instruction(0x61, 2, 1, 0, 0),      // r2 = first word
        instruction(0xbc, 3, 2, 0, 0),      // r3 = r2
        instruction(0x74, 3, 0, 0, 16),     // r3 >>= 16: access
        instruction(0x54, 2, 0, 0, 0xffff), // r2 &= 0xffff: kind
        instruction(0x61, 4, 1, 4, 0),      // r4 = major
        instruction(0x61, 5, 1, 8, 0),      // r5 = minor
    ];
    for rule in rules {
        code.extend(rule_code(rule));
        // Older kernels refuse a program with instructions that nothing leads to.
        if lets_everything_through(rule) {
            return code.concat();
        }
    }
    code.push(instruction(0xb7, 0, 0, 0, 0)); // r0 = 0: no
    code.push(instruction(0x95, 0, 0, 0, 0)); // exit
    code.concat()
}

fn lets_everything_through(rule: &DeviceRule) -> bool {
    !matches!(rule.kind, 'b' | 'c')
        && rule.major.is_none()
        && rule.minor.is_none()
        && ['r', 'w', 'm']
            .iter()
            .all(|&access| rule.access.contains(access))
}

fn rule_code(rule: &DeviceRule) -> Vec<[u8; 8]> {
    enum Test {
        Is(u8, i32),
        Within(i32),
    }
    let mut tests = Vec::new();
    match rule.kind {
        'b' => tests.push(Test::Is(2, 1)),
        'c' => tests.push(Test::Is(2, 2)),
        _ => {}
    }
    let access = [('m', 1), ('r', 2), ('w', 4)]
        .iter()
        .filter(|(letter, _)| rule.access.contains(*letter))
        .fold(0, |bits, (_, bit)| bits | bit);
    if access != 7 {
        tests.push(Test::Within(access));
    }
    for (register, number) in [(4, rule.major), (5, rule.minor)] {
        if let Some(number) = number.and_then(|number| i32::try_from(number).ok()) {
            tests.push(Test::Is(register, number));
        }
    }
    let length = |test: &Test| match test {
        Test::Is(..) => 1_i16,
        Test::Within(_) => 3,
    };
    // How far it is from a failed test to behind this rule, whose last two instructions say yes.
    let mut rest: i16 = tests.iter().map(length).sum::<i16>() + 2;
    let mut code = Vec::new();
    for test in &tests {
        rest -= length(test);
        match *test {
            Test::Is(register, value) => code.push(instruction(0x55, register, 0, rest, value)),
            Test::Within(bits) => code.extend([
                instruction(0xbc, 1, 3, 0, 0),
                instruction(0x54, 1, 0, 0, bits),
                instruction(0x5d, 1, 3, rest, 0),
            ]),
        }
    }
    code.extend([instruction(0xb7, 0, 0, 0, 1), instruction(0x95, 0, 0, 0, 0)]);
    code
}

/// The kernel's structure for loading a program, as far as we fill it.
#[repr(C)]
#[derive(Default)]
struct LoadAttributes {
    kind: u32,
    count: u32,
    instructions: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// The kernel's structure for attaching a program.
#[repr(C)]
#[derive(Default)]
struct AttachAttributes {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Has the kernel ask such a program about the processes of a cgroup.
pub(super) fn attach(cgroup: &File, rules: &[DeviceRule]) -> io::Result<()> {
    let code = program(rules);
    let load = LoadAttributes {
        kind: TYPE_CGROUP_DEVICE,
        count: u32::try_from(code.len() / 8).map_err(io::Error::other)?,
        instructions: code.as_ptr() as u64,
        licence: c"Apache-2.0".as_ptr() as u64,
        ..LoadAttributes::default()
    };
    // SAFETY: the structure has the size that is said, and what it points to outlives the call.
    let program = unsafe {
        let fd = libc::syscall(
            libc::SYS_bpf,
            PROGRAM_LOAD,
            &raw const load,
            size_of::<LoadAttributes>(),
        );
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(i32::try_from(fd).map_err(io::Error::other)?)
    };
    let attach = AttachAttributes {
        target: cgroup.as_raw_fd().unsigned_abs(),
        program: program.as_raw_fd().unsigned_abs(),
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: as above; both descriptors are open.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROGRAM_ATTACH,
            &raw const attach,
            size_of::<AttachAttributes>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::program;
    use crate::spec::DeviceRule;

    /// Runs a program of the few instructions that are used here.
    fn run(code: &[u8], kind: u32, access: u32, major: u32, minor: u32) -> i64 {
        let words = [kind | access << 16, major, minor];
        let mut registers = [0_i64; 10];
        let mut place = 0_usize;
        loop {
            let step = &code[place * 8..place * 8 + 8];
            let (target, source) = (usize::from(step[1] & 15), usize::from(step[1] >> 4));
            let offset = i16::from_ne_bytes([step[2], step[3]]);
            let value = i64::from(i32::from_ne_bytes(step[4..8].try_into().unwrap()));
            place += 1;
            let jump = match step[0] {
                0x61 => {
                    registers[target] = words[usize::try_from(offset).unwrap() / 4].into();
                    false
                }
                0xbc => {
                    registers[target] = registers[source];
                    false
                }
                0x74 => {
                    registers[target] >>= value;
                    false
                }
                0x54 => {
                    registers[target] &= value;
                    false
                }
                0xb7 => {
                    registers[target] = value;
                    false
                }
                0x55 => registers[target] != value,
                0x5d => registers[target] != registers[source],
                0x95 => return registers[0],
                other => panic!("no such instruction: {other:#x}"),
            };
            if jump {
                place = place.strict_add_signed(isize::from(offset));
            }
        }
    }

    #[track_caller]
    fn check(rules: &[DeviceRule], asked: (u32, u32, u32, u32), expect: bool) {
        let (kind, access, major, minor) = asked;
        assert_eq!(
            run(&program(rules), kind, access, major, minor) == 1,
            expect,
            "{asked:?}"
        );
    }

    #[test]
    fn rules_are_what_the_program_does() {
        let rule = |kind, major, minor, access: &str| DeviceRule {
            kind,
            major,
            minor,
            access: access.to_owned(),
        };
        let rules = [
            rule('c', Some(1), Some(3), "rwm"),
            rule('c', Some(136), None, "rw"),
            rule('b', None, None, "m"),
        ];
        check(&rules, (2, 2 | 4, 1, 3), true);
        check(&rules, (2, 2, 1, 4), false);
        check(&rules, (1, 2, 1, 3), false);
        check(&rules, (2, 2 | 4, 136, 7), true);
        check(&rules, (2, 1, 136, 7), false);
        check(&rules, (1, 1, 8, 0), true);
        check(&rules, (1, 1 | 2, 8, 0), false);
        check(&[], (2, 2, 1, 3), false);
        check(&[rule('a', None, None, "rwm")], (1, 7, 8, 0), true);
    }
}
