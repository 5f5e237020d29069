;; SPDX-License-Identifier: BSD-2-Clause
;;
;; Makes the calls of a program, one step after the other. The program is the first argument of the
;; guest: bytes, each as two letters from a to p. Imports, one function of type $call for each call,
;; and the table of them are put in by the driver.
;;
;; A step is: request, arguments, number of the call, what is kept of its answer. Any bytes are a
;; program, because a call may overwrite what is not run yet.
;;
;; | address | what is there |
;; |---|---|
;; | 0x0 | arguments, 8 bytes each |
;; | 0x40 | the line that tells the driver of an answer |
;; | 0x100, 0x200 | mailboxes for 16 and for 4 ids |
;; | 0x400 | the last 16 handles that calls answered, 4 bytes each |
;; | 0x480 | the last 16 other values, 8 bytes each |
;; | 0x700 | 8 tokens, unless there is a window for them |
;; | 0x1000 | request |
;; | 0x2000 | reply |
;; | 0x3000 | room for what calls write |
;; | 0x8000 | start parameters, and in them the program |
(module
  {IMPORTS}
  (type $call (func (param $arguments i32) (result i64)))
  (table funcref (elem {ELEMENTS}))
  (memory (export "memory") 1)
  (data (i32.const 0x100) "\01\00\00\00\10\00\00\00")
  (data (i32.const 0x200) "\01\00\00\00\04\00\00\00")
  (global $pc (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (global $cursor (mut i32) (i32.const 0))
  (global $handles (mut i32) (i32.const 0))
  (global $values (mut i32) (i32.const 0))
  (global $tokens (mut i32) (i32.const 0))
  (global $pool (mut i32) (i32.const 0x700))

  ;; ---- Calls

  {CALLS}
  (func $own.grow (type $call) (param $arguments i32) (result i64)
    (i64.extend_i32_s (memory.grow (i32.load (local.get $arguments)))))
  (func $own.load (type $call) (param $arguments i32) (result i64)
    (i64.load8_u (i32.load (local.get $arguments))))
  (func $own.store (type $call) (param $arguments i32) (result i64)
    (i64.store8 (i32.load (local.get $arguments)) (i64.load offset=8 (local.get $arguments)))
    (i64.const 0))
  (func $own.spin (type $call) (param $arguments i32) (result i64) (local $rounds i32)
    (local.set $rounds (i32.and (i32.load (local.get $arguments)) (i32.const 0xffff)))
    (loop $round
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $round (i32.gt_s (local.get $rounds) (i32.const 0))))
    (i64.const 0))
  ;; Takes every id out of the first mailbox.
  (func $own.take (type $call) (param $arguments i32) (result i64)
    (i32.store (i32.const 0x108) (i32.load (i32.const 0x10c)))
    (i64.const 0))

  ;; ---- The program

  ;; The next byte; 0 behind the end.
  (func $byte (result i32)
    (if (result i32) (i32.lt_u (global.get $pc) (global.get $end))
      (then
        (i32.load8_u (global.get $pc))
        (global.set $pc (i32.add (global.get $pc) (i32.const 1))))
      (else (i32.const 0))))

  (func $varint (result i64) (local $byte i32) (local $shift i64) (local $value i64)
    (loop $more
      (local.set $byte (call $byte))
      (local.set $value (i64.or (local.get $value) (i64.shl
        (i64.extend_i32_u (i32.and (local.get $byte) (i32.const 0x7f))) (local.get $shift))))
      (local.set $shift (i64.add (local.get $shift) (i64.const 7)))
      (br_if $more (i32.and (local.get $byte) (i32.const 0x80))))
    (local.get $value))

  (func $skip
    (global.set $pc (i32.add (i32.wrap_i64 (call $varint)) (global.get $pc))))

  ;; The handle that was answered so many handles ago.
  (func $handle (param $ago i32) (result i32)
    (i32.load offset=0x400 (i32.shl (i32.and (i32.const 15) (i32.sub
      (i32.sub (global.get $handles) (i32.const 1)) (local.get $ago))) (i32.const 2))))

  (func $value (param $ago i32) (result i64)
    (i64.load offset=0x480 (i32.shl (i32.and (i32.const 15) (i32.sub
      (i32.sub (global.get $values) (i32.const 1)) (local.get $ago))) (i32.const 3))))

  (func $token (param $n i32) (result i32)
    (i32.add (global.get $pool) (i32.shl (i32.and (local.get $n) (i32.const 7)) (i32.const 4))))

  (func $argument (result i64) (local $kind i32)
    (local.set $kind (call $byte))
    (if (i32.eqz (local.get $kind)) (then (return (call $varint))))
    (if (i32.eq (local.get $kind) (i32.const 1))
      (then (return (i64.extend_i32_u (call $handle (call $byte))))))
    (if (i32.eq (local.get $kind) (i32.const 2)) (then (return (call $value (call $byte)))))
    ;; The length of the request.
    (i64.extend_i32_u (i32.sub (global.get $cursor) (i32.const 0x1000))))

  ;; Adds a byte to the request.
  (func $put (param $byte i32)
    (if (i32.lt_u (global.get $cursor) (i32.const 0x2000)) (then
      (i32.store8 (global.get $cursor) (local.get $byte))
      (global.set $cursor (i32.add (global.get $cursor) (i32.const 1))))))

  ;; Adds a handle, always as five bytes.
  (func $put_handle (param $handle i32) (local $n i32)
    (loop $more
      (call $put (i32.or (i32.const 0x80) (local.get $handle)))
      (local.set $handle (i32.shr_u (local.get $handle) (i32.const 7)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $n) (i32.const 4))))
    (call $put (local.get $handle)))

  (func $put_token (param $n i32) (local $at i32)
    (local.set $at (call $token (local.get $n)))
    (local.set $n (i32.const 16))
    (loop $more
      (call $put (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (local.get $n))))

  (func $piece (local $kind i32) (local $n i32)
    (local.set $kind (call $byte))
    (local.set $n (call $byte))
    (if (i32.eqz (local.get $kind)) (then
      (loop $more
        (if (local.get $n) (then
          (call $put (call $byte))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $more))))
      (return)))
    (if (i32.eq (local.get $kind) (i32.const 1))
      (then (call $put_handle (call $handle (local.get $n)))))
    (if (i32.eq (local.get $kind) (i32.const 2)) (then (call $put_token (local.get $n)))))

  (func $keep_handle (param $handle i32)
    (i32.store offset=0x400
      (i32.shl (i32.and (global.get $handles) (i32.const 15)) (i32.const 2)) (local.get $handle))
    (global.set $handles (i32.add (global.get $handles) (i32.const 1))))

  ;; 1: a handle, 2: another value, 3: a handle in the reply, 4: a token in the reply.
  (func $keep (param $what i32) (param $answer i64) (local $pc i32) (local $end i32)
    (if (i32.eq (local.get $what) (i32.const 1))
      (then (call $keep_handle (i32.wrap_i64 (local.get $answer)))))
    (if (i32.eq (local.get $what) (i32.const 2)) (then
      (i64.store offset=0x480
        (i32.shl (i32.and (global.get $values) (i32.const 15)) (i32.const 3)) (local.get $answer))
      (global.set $values (i32.add (global.get $values) (i32.const 1)))))
    (if (i32.eq (local.get $what) (i32.const 3)) (then
      (local.set $pc (global.get $pc))
      (local.set $end (global.get $end))
      (global.set $pc (i32.const 0x2000))
      (global.set $end (i32.const 0x2400))
      (call $keep_handle (i32.wrap_i64 (call $varint)))
      (global.set $pc (local.get $pc))
      (global.set $end (local.get $end))))
    (if (i32.eq (local.get $what) (i32.const 4)) (then
      (i64.store (call $token (global.get $tokens)) (i64.load (i32.const 0x2000)))
      (i64.store offset=8 (call $token (global.get $tokens)) (i64.load (i32.const 0x2008)))
      (global.set $tokens (i32.add (global.get $tokens) (i32.const 1))))))

  ;; A byte as two letters.
  (func $letters (param $at i32) (param $byte i32)
    (i32.store8 (local.get $at) (i32.add (i32.const 97) (i32.shr_u (local.get $byte) (i32.const 4))))
    (i32.store8 offset=1 (local.get $at)
      (i32.add (i32.const 97) (i32.and (local.get $byte) (i32.const 15)))))

  ;; Tells the driver: the error, or 128 and how long the number is.
  (func $tell (param $call i32) (param $answer i64)
    (i32.store8 (i32.const 0x40) (i32.const 126))
    (call $letters (i32.const 0x41) (local.get $call))
    (call $letters (i32.const 0x43)
      (if (result i32) (i64.lt_s (local.get $answer) (i64.const 0))
        (then (i32.and (i32.wrap_i64 (i64.sub (i64.const 0) (local.get $answer))) (i32.const 127)))
        (else (i32.sub (i32.const 192) (i32.wrap_i64 (i64.clz (local.get $answer)))))))
    (drop (call $import.log.write (i32.const 3) (i32.const 0x40) (i32.const 5))))

  (func $step (local $call i32) (local $n i32) (local $at i32) (local $answer i64)
    (global.set $cursor (i32.const 0x1000))
    (local.set $n (call $byte))
    (loop $pieces
      (if (local.get $n) (then
        (call $piece)
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $pieces))))
    (local.set $n (i32.and (call $byte) (i32.const 7)))
    (loop $arguments
      (if (local.get $n) (then
        (i64.store (local.get $at) (call $argument))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $arguments))))
    (local.set $call (i32.rem_u (call $byte) (i32.const {COUNT})))
    (local.set $answer (call_indirect (type $call) (i32.const 0) (local.get $call)))
    (call $tell (local.get $call) (local.get $answer))
    (local.set $n (call $byte))
    (if (i64.ge_s (local.get $answer) (i64.const 0))
      (then (call $keep (local.get $n) (local.get $answer)))))

  (func (export "_start") (local $len i64) (local $from i32) (local $to i32)
    (local.set $len (call $import.guest.params (i32.const 0x8000) (i32.const 0x8000)))
    (if (i64.gt_u (local.get $len) (i64.const 0x8000)) (then (return)))
    (global.set $pc (i32.const 0x8000))
    (global.set $end (i32.add (i32.const 0x8000) (i32.wrap_i64 (local.get $len))))
    ;; Id and name.
    (drop (call $varint))
    (call $skip)
    (if (i64.eqz (call $varint)) (then (return)))
    (local.set $len (i64.shr_u (call $varint) (i64.const 1)))
    (local.set $from (global.get $pc))
    (local.set $to (global.get $pc))
    (global.set $end (i32.add (local.get $to) (i32.wrap_i64 (local.get $len))))
    (loop $decode
      (if (i32.lt_u (local.get $to) (global.get $end)) (then
        (i32.store8 (local.get $to) (i32.or
          (i32.shl (i32.sub (i32.load8_u (local.get $from)) (i32.const 97)) (i32.const 4))
          (i32.sub (i32.load8_u offset=1 (local.get $from)) (i32.const 97))))
        (local.set $from (i32.add (local.get $from) (i32.const 2)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $decode))))
    ;; Tokens go through the channel that all hold as their first capability, if it is there.
    (local.set $len (call $import.shm.attach (i32.const 0x1000) (i32.const 3)))
    (if (i64.ge_s (local.get $len) (i64.const 0))
      (then (global.set $pool (i32.wrap_i64 (local.get $len)))))
    (loop $steps
      (if (i32.lt_u (global.get $pc) (global.get $end)) (then (call $step) (br $steps))))))
