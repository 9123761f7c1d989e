//! The files of one log as one sequence of lines: `log.2`, `log.1`, `log`, and what they become when the log is
//! rotated meanwhile.
//!
//! A file, once opened, is read to its end whatever it is called by then, so a rotation loses nothing. Reading
//! from the end is what makes a short tail of a long log quick.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// How much is read at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// A longer line is nobody's: the shim cuts what it writes into far smaller ones.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// How often the files are listed again when they are rotated under our hands.
const ATTEMPTS: usize = 200;

/// How long a rotation gets in between; it is a few renames.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(1);

/// How many rotated files are looked for.
const MOST_FILES: usize = 1000;

pub(super) struct LogFiles {
    path: PathBuf,
    /// What is still to be read, the oldest first; the last is the one that is written to.
    files: VecDeque<Open>,
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins, and up to where no line's end has been found.
    line: usize,
    searched: usize,
}

struct Open {
    file: File,
    /// Device and number, by which a file is known under any name.
    identity: (u64, u64),
    offset: u64,
}

impl LogFiles {
    /// Opens the log at its beginning, or before its last `tail` lines. A log that is not there has no lines.
    pub(super) fn open(path: &Path, tail: Option<u64>) -> io::Result<Self> {
        let mut files = list(path)?;
        if let Some(mut wanted) = tail {
            let mut kept = VecDeque::new();
            while let Some(mut open) = files.pop_back() {
                let (offset, found) = from_end(&open.file, wanted)?;
                open.offset = offset;
                kept.push_front(open);
                wanted -= found;
                if wanted == 0 {
                    break;
                }
            }
            files = kept;
        }
        Ok(Self {
            path: path.to_owned(),
            files,
            buffer: Vec::new(),
            line: 0,
            searched: 0,
        })
    }

    /// The next line, without its end, if a whole one is there. What follows the last line's end may be in
    /// writing yet: it becomes a line when its end comes, or when the next file begins.
    pub(super) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let found = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n');
            if let Some(length) = found {
                let from = self.line;
                let end = self.searched + length;
                self.line = end + 1;
                self.searched = self.line;
                return Ok(Some(&self.buffer[from..end]));
            }
            self.searched = self.buffer.len();
            if self.read_block()? {
                continue;
            }
            if self.files.len() <= 1 {
                return Ok(None);
            }
            self.files.pop_front();
            if self.line < self.buffer.len() {
                let from = self.line;
                self.line = self.buffer.len();
                return Ok(Some(&self.buffer[from..]));
            }
        }
    }

    /// Whether the log has been rotated since, so that there is another file to go on with.
    pub(super) fn follow_rotation(&mut self) -> io::Result<bool> {
        let Some(current) = self.files.back() else {
            self.files = list(&self.path)?;
            return Ok(!self.files.is_empty());
        };
        let length = current.file.metadata()?.len();
        if length < current.offset {
            // Emptied in its place: the only file of a log that keeps one.
            if let Some(current) = self.files.back_mut() {
                current.offset = 0;
            }
            self.buffer.clear();
            (self.line, self.searched) = (0, 0);
            return Ok(true);
        }
        if identity(&self.path).is_ok_and(|named| named == current.identity) {
            return Ok(false);
        }
        let mut later = list(&self.path)?;
        // If ours is not among them it was the oldest, so all are later.
        if let Some(ours) = later
            .iter()
            .position(|open| open.identity == current.identity)
        {
            later.drain(..=ours);
        }
        let rotated = !later.is_empty();
        self.files.append(&mut later);
        Ok(rotated)
    }

    fn read_block(&mut self) -> io::Result<bool> {
        let Some(open) = self.files.front_mut() else {
            return Ok(false);
        };
        if self.line > 0 {
            self.buffer.drain(..self.line);
            self.searched -= self.line;
            self.line = 0;
        }
        if self.buffer.len() > LONGEST_LINE {
            self.buffer.clear();
            self.searched = 0;
        }
        let end = self.buffer.len();
        self.buffer.resize(end + BLOCK_BYTES, 0);
        let read = open.file.read_at(&mut self.buffer[end..], open.offset);
        self.buffer
            .truncate(end + read.as_ref().copied().unwrap_or_default());
        let read = read?;
        open.offset += read as u64;
        Ok(read > 0)
    }
}

/// Opens all files of the log, the oldest first. While it is rotated, its files move up one by one, the oldest
/// first, so that one number is missing and a file may be met twice: then they are listed again.
fn list(path: &Path) -> io::Result<VecDeque<Open>> {
    let mut attempt = 0;
    loop {
        let (files, settled) = list_once(path)?;
        attempt += 1;
        // A crash in the middle may have left it like that for good.
        if settled || attempt == ATTEMPTS {
            return Ok(files);
        }
        std::thread::sleep(PAUSE);
    }
}

/// What is there, and whether nothing moved meanwhile.
fn list_once(path: &Path) -> io::Result<(VecDeque<Open>, bool)> {
    let mut files: VecDeque<Open> = VecDeque::new();
    let mut settled = true;
    for number in 0..MOST_FILES {
        let file = match File::open(rotated(path, number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if identity(&rotated(path, number + 1)).is_err() {
                    break;
                }
                settled = false;
                continue;
            }
            opened => opened?,
        };
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        if files.iter().any(|open| open.identity == identity) {
            settled = false;
            continue;
        }
        files.push_front(Open {
            identity,
            file,
            offset: 0,
        });
    }
    // The newest must still have its name.
    let newest = files.back().map(|open| open.identity);
    settled &= identity(path).ok() == newest;
    Ok((files, settled))
}

fn rotated(path: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Where the last `wanted` lines of the file begin, and how many there are. What follows the last line's end
/// goes with it and is not counted.
fn from_end(file: &File, wanted: u64) -> io::Result<(u64, u64)> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut end = file.metadata()?.len();
    let mut found = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        let length = usize::try_from(end - start).unwrap_or(BLOCK_BYTES);
        file.read_exact_at(&mut block[..length], start)?;
        for (place, byte) in block[..length].iter().enumerate().rev() {
            if *byte == b'\n' {
                // The end of the line before the wanted ones.
                if found == wanted {
                    return Ok((start + place as u64 + 1, found));
                }
                found += 1;
            }
        }
        end = start;
    }
    Ok((0, found))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::LogFiles;

    fn lines(files: &mut LogFiles) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = files.next_line().unwrap() {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
        }
        lines
    }

    #[test]
    fn rotated_files_are_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(folder.path().join("log.2"), "1\n2\n").unwrap();
        fs::write(folder.path().join("log.1"), "3\n4\n").unwrap();
        fs::write(&path, "5\n6\n").unwrap();
        let check = |tail: Option<u64>, expect: &[&str]| {
            let mut files = LogFiles::open(&path, tail).unwrap();
            assert_eq!(lines(&mut files), expect, "{tail:?}");
        };
        check(None, &["1", "2", "3", "4", "5", "6"]);
        check(Some(0), &[]);
        check(Some(1), &["6"]);
        check(Some(2), &["5", "6"]);
        check(Some(3), &["4", "5", "6"]);
        check(Some(6), &["1", "2", "3", "4", "5", "6"]);
        check(Some(60), &["1", "2", "3", "4", "5", "6"]);
    }

    #[test]
    fn a_log_that_is_not_there_has_no_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = LogFiles::open(&folder.path().join("log"), Some(3)).unwrap();
        assert!(lines(&mut files).is_empty());
    }

    #[test]
    fn a_tail_reads_from_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let all: Vec<String> = (0..50_000).map(|number| format!("line {number}")).collect();
        fs::write(&path, all.join("\n") + "\n").unwrap();
        let mut files = LogFiles::open(&path, Some(20_000)).unwrap();
        assert_eq!(lines(&mut files), all[30_000..]);
    }

    #[test]
    fn rotation_is_followed_however_often() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let numbered = |number: usize| folder.path().join(format!("log.{number}"));
        fs::write(&path, "1\n").unwrap();
        let mut files = LogFiles::open(&path, None).unwrap();
        assert_eq!(lines(&mut files), ["1"]);
        assert!(!files.follow_rotation().unwrap());
        let mut appended = fs::File::options().append(true).open(&path).unwrap();
        appended.write_all(b"2\n").unwrap();
        fs::rename(&path, numbered(1)).unwrap();
        fs::write(&path, "3\n").unwrap();
        fs::rename(numbered(1), numbered(2)).unwrap();
        fs::rename(&path, numbered(1)).unwrap();
        fs::write(&path, "4\n5").unwrap();
        assert!(files.follow_rotation().unwrap());
        assert_eq!(lines(&mut files), ["2", "3", "4"]);
        assert!(!files.follow_rotation().unwrap());
        // All that was opened is gone: what is there is later.
        fs::remove_file(numbered(2)).unwrap();
        fs::rename(numbered(1), numbered(2)).unwrap();
        fs::rename(&path, numbered(1)).unwrap();
        fs::write(&path, "6\n").unwrap();
        assert!(files.follow_rotation().unwrap());
        assert_eq!(lines(&mut files), ["5", "6"]);
    }

    #[test]
    fn a_rotation_that_a_crash_cut_short_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(folder.path().join("log.3"), "1\n").unwrap();
        fs::write(folder.path().join("log.1"), "2\n").unwrap();
        fs::write(&path, "3\n").unwrap();
        let mut files = LogFiles::open(&path, None).unwrap();
        assert_eq!(lines(&mut files), ["1", "2", "3"]);
    }

    #[test]
    fn an_emptied_log_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "long line\n").unwrap();
        let mut files = LogFiles::open(&path, None).unwrap();
        assert_eq!(lines(&mut files), ["long line"]);
        fs::write(&path, "new\n").unwrap();
        assert!(files.follow_rotation().unwrap());
        assert_eq!(lines(&mut files), ["new"]);
    }
}
