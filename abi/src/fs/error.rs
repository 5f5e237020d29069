// SPDX-License-Identifier: BSD-2-Clause
//! Why the fs guest does not do what was asked.

use crate::service_error::service_errors;

service_errors! {
    /// Why the fs guest does not do what was asked. Then nothing of it was done.
    "the fs guest";
    /// There is no such file or directory.
    NotFound = 1, "no such file or directory";
    /// There is one of this name already.
    Exists = 2, "there is one of this name already";
    /// A part of the path, or what is at its end, is no directory.
    NotDirectory = 3, "not a directory";
    /// It is a directory, and a file is needed.
    IsDirectory = 4, "it is a directory";
    /// The directory has entries.
    NotEmpty = 5, "the directory is not empty";
    /// It is of another kind than this needs: a device, say, or no symbolic link.
    WrongKind = 6, "it is of another kind";
    /// A part of the path is longer than `MAX_NAME`, or has a zero in it, or is `.` or `..` where a name is needed; or the path is empty or longer than `MAX_PATH`.
    BadPath = 7, "this cannot be a path";
    /// A directory cannot be moved into itself.
    IntoItself = 8, "a directory cannot be moved into itself";
    /// The disk is full.
    NoSpace = 9, "the disk is full";
    /// Longer than a file can be.
    TooLarge = 10, "the file would be too large";
    /// More links than there can be.
    TooManyLinks = 11, "too many links";
    /// The disk, the file system or the file takes no changes.
    ReadOnly = 12, "it takes no changes";
    /// The file is no more.
    Stale = 13, "the file is no more";
    /// The disk failed to read or write.
    Io = 14, "the disk failed";
    /// The file system contradicts itself: it needs a check on a host, with `e2fsck`.
    Corrupt = 15, "the file system is damaged, check it with e2fsck";
    /// What the client was given does not include the right to do this. The log names the one that is missing.
    NotAllowed = 16, "the right to do this was not given; the fs guest's log names it";
    /// The path leads out of the directory that the client was given, by `..` or by a link.
    Escapes = 17, "the path leads out of the directory";
    /// Too many symbolic links, which may go round in circles.
    TooManySymlinks = 18, "too many symbolic links";
    /// The client has no such file or directory open.
    BadNode = 19, "no such open file";
    /// The client has as many files open as it may.
    TooManyOpen = 20, "the limit of open files is reached";
    /// The client has no such buffer, or not as many bytes in it.
    BadBuffer = 21, "no such buffer, or it is too small";
    /// The token is none, or what it is for cannot be a buffer: pages up to `MAX_BUFFER_PAGES`, to read and to write.
    UnsuitableBuffer = 22, "the region cannot be a buffer";
    /// The client has as many buffers as it may.
    TooManyBuffers = 23, "the limit of buffers is reached";
    /// An argument is outside what the request takes.
    InvalidArgument = 24, "invalid argument";
    /// The client speaks another version, or has not said which.
    OtherVersion = 25, "the fs guest speaks another version of the protocol";
    /// The fs guest's memory does not suffice.
    NoMemory = 26, "the fs guest has no memory left";
    /// The disk does not answer.
    NoDisk = 27, "the disk does not answer";
    /// The fs guest has no disk: it was taken from it, or not given yet. When it is there, what was open is to be opened anew.
    NoDevice = 28, "the fs guest has no disk at present";
    /// The client is no administrator: the fs guest's arguments do not say `admin` of it.
    NotAdministrator = 29, "only a client of which the fs guest's arguments say `admin` may do this";
    /// There is no such client, or it has no such rule.
    NoRule = 30, "there is no such rule";
}
