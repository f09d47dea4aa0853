/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A boot sector that uses its disk through the BIOS, as boot loaders do, and tells over the second
 * serial port how it went (the BIOS has the first): it copies the first 128 sectors to sector 1024, and the last sector to sector 2048.
 */
	.code16
	.globl _start
_start:
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	sti
	mov %dl, drive

	mov $0x48, %ah /* the disk's size */
	mov $parameters, %si
	mov drive, %dl
	int $0x13
	jc failed

copy: /* 32 sectors at a time */
	mov $0x42, %ah
	call transfer
	addl $1024, lba
	mov $0x43, %ah
	call transfer
	subl $1024 - 32, lba
	cmpl $128, lba
	jb copy

	movw $1, count
	mov total, %eax
	dec %eax
	mov %eax, lba
	mov $0x42, %ah
	call transfer
	movl $2048, lba
	mov $0x43, %ah
	call transfer

	mov $done, %si
	jmp last

/* By the packet, with function AH. */
transfer:
	mov $0, %al
	mov $packet, %si
	mov drive, %dl
	int $0x13
	jc failed
	ret

failed:
	mov $failure, %si
last:
	mov $0x2fd, %dx /* until there is room */
	in %dx, %al
	test $0x20, %al
	jz last
	lodsb
	test %al, %al
	jz halt
	mov $0x2f8, %dx
	out %al, %dx
	jmp last
halt:
	hlt
	jmp halt

done:	.asciz "done."
failure: .asciz "failed."
drive:	.byte 0
	.balign 4
packet:	.byte 16, 0
count:	.word 32
	.word 0, 0x1000 /* at 1000:0000 */
lba:	.quad 0
parameters:
	.word 26
	.space 14
total:	.space 10

	.org 510
	.word 0xaa55
