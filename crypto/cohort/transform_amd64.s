#include "textflag.h"

// Transforms of 52-bit residues, eight at a time (AVX-512 IFMA). transform_amd64.go says what each function does and within which bounds.
// There is no branch and no address that depends on a value.

// Z28 = 2^52-1, Z29 = 2^52-q, Z30 = 2q in all lanes; AX is q.
#define CONSTANTS \
	LEAQ         (AX)(AX*1), BX; \
	VPBROADCASTQ BX, Z30; \
	MOVQ         $0x10000000000000, DX; \
	SUBQ         AX, DX; \
	VPBROADCASTQ DX, Z29; \
	MOVQ         $0xfffffffffffff, DX; \
	VPBROADCASTQ DX, Z28

// X, Y below 2q become X + w*Y and X - w*Y, below 2q; S = floor(w*2^52/q). Z4 to Z8 are lost.
#define BUTTERFLY(X, Y, W, S) \
	VPXORQ      Z4, Z4, Z4; \
	VPMADD52HUQ S, Y, Z4; \
	VPXORQ      Z5, Z5, Z5; \
	VPMADD52LUQ W, Y, Z5; \
	VPMADD52LUQ Z29, Z4, Z5; \
	VPANDQ      Z28, Z5, Z5; \
	VPADDQ      Z5, X, Z6; \
	VPSUBQ      Z5, X, Z7; \
	VPSUBQ      Z30, Z6, Z8; \
	VPMINUQ     Z8, Z6, X; \
	VPADDQ      Z30, Z7, Z8; \
	VPMINUQ     Z8, Z7, Y

// func ifmaFirst(p *uint64, n int, w, s, q uint64)
TEXT ·ifmaFirst(SB), NOSPLIT, $0-40
	MOVQ         p+0(FP), DI
	MOVQ         n+8(FP), SI
	VPBROADCASTQ w+16(FP), Z0
	VPBROADCASTQ s+24(FP), Z1
	MOVQ         q+32(FP), AX
	CONSTANTS
	SHLQ         $2, SI           // half of 8n bytes
	LEAQ         (DI)(SI*1), R10
	MOVQ         R10, R11

first:
	VMOVDQU64 (DI), Z2
	VMOVDQU64 (R10), Z3
	VPSUBQ    Z30, Z2, Z4
	VPMINUQ   Z4, Z2, Z2
	VPSUBQ    Z30, Z3, Z4
	VPMINUQ   Z4, Z3, Z3
	BUTTERFLY(Z2, Z3, Z0, Z1)
	VMOVDQU64 Z2, (DI)
	VMOVDQU64 Z3, (R10)
	ADDQ      $64, DI
	ADDQ      $64, R10
	CMPQ      DI, R11
	JB        first
	VZEROUPPER
	RET

// func ifmaLayer(p *uint64, t, m int, w, s *uint64, q uint64)
TEXT ·ifmaLayer(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), DI
	MOVQ t+8(FP), SI
	MOVQ m+16(FP), CX
	MOVQ w+24(FP), R8
	MOVQ s+32(FP), R9
	MOVQ q+40(FP), AX
	CONSTANTS
	SHLQ $3, SI

block:
	VPBROADCASTQ (R8), Z0
	VPBROADCASTQ (R9), Z1
	ADDQ         $8, R8
	ADDQ         $8, R9
	LEAQ         (DI)(SI*1), R10
	MOVQ         R10, R11

inner:
	VMOVDQU64 (DI), Z2
	VMOVDQU64 (R10), Z3
	BUTTERFLY(Z2, Z3, Z0, Z1)
	VMOVDQU64 Z2, (DI)
	VMOVDQU64 Z3, (R10)
	ADDQ      $64, DI
	ADDQ      $64, R10
	CMPQ      DI, R11
	JB        inner
	MOVQ      R10, DI
	DECQ      CX
	JNZ       block
	VZEROUPPER
	RET

// func ifmaLast(p *uint64, n int, w, s *uint64, q uint64, order *[10][8]uint64)
TEXT ·ifmaLast(SB), NOSPLIT, $0-48
	MOVQ      p+0(FP), DI
	MOVQ      n+8(FP), CX
	MOVQ      w+16(FP), R8
	MOVQ      s+24(FP), R9
	MOVQ      q+32(FP), AX
	MOVQ      order+40(FP), R12
	CONSTANTS
	VMOVDQU64 (R12), Z16
	VMOVDQU64 64(R12), Z17
	VMOVDQU64 128(R12), Z18
	VMOVDQU64 192(R12), Z19
	VMOVDQU64 256(R12), Z20
	VMOVDQU64 320(R12), Z21
	VMOVDQU64 384(R12), Z22
	VMOVDQU64 448(R12), Z23
	VMOVDQU64 512(R12), Z24
	VMOVDQU64 576(R12), Z25

	// Twiddles of the layers with t = 4, 2, 1 begin at w + N/8, N/4, N/2.
	LEAQ (R8)(CX*1), R10
	LEAQ (R9)(CX*1), R11
	LEAQ (R8)(CX*2), R13
	LEAQ (R9)(CX*2), BX
	LEAQ (R8)(CX*4), R8
	LEAQ (R9)(CX*4), R9
	SHRQ $4, CX

sixteen:
	VMOVDQU64 (DI), Z10
	VMOVDQU64 64(DI), Z3
	VMOVDQA64 Z10, Z2
	VPERMT2Q  Z3, Z16, Z2
	VPERMT2Q  Z3, Z17, Z10
	VMOVDQU   (R10), X0
	VMOVDQU   (R11), X1
	VPERMQ    Z0, Z24, Z0
	VPERMQ    Z1, Z24, Z1
	BUTTERFLY(Z2, Z10, Z0, Z1)

	VMOVDQA64 Z2, Z11
	VPERMT2Q  Z10, Z18, Z2
	VPERMT2Q  Z10, Z19, Z11
	VMOVDQU   (R13), Y0
	VMOVDQU   (BX), Y1
	VPERMQ    Z0, Z25, Z0
	VPERMQ    Z1, Z25, Z1
	BUTTERFLY(Z2, Z11, Z0, Z1)

	VMOVDQA64 Z2, Z10
	VPERMT2Q  Z11, Z20, Z2
	VPERMT2Q  Z11, Z21, Z10
	VMOVDQU64 (R8), Z0
	VMOVDQU64 (R9), Z1
	BUTTERFLY(Z2, Z10, Z0, Z1)

	VMOVDQA64 Z2, Z11
	VPERMT2Q  Z10, Z22, Z2
	VPERMT2Q  Z10, Z23, Z11
	VMOVDQU64 Z2, (DI)
	VMOVDQU64 Z11, 64(DI)
	ADDQ      $128, DI
	ADDQ      $16, R10
	ADDQ      $16, R11
	ADDQ      $32, R13
	ADDQ      $32, BX
	ADDQ      $64, R8
	ADDQ      $64, R9
	DECQ      CX
	JNZ       sixteen
	VZEROUPPER
	RET
