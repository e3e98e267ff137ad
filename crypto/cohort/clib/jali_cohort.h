/* jali_cohort.h: the client half of encrypted queries (docs/clients-encrypted.md) for C and for languages that call C.
 *
 * Errors.  Every function that can fail returns NULL on success and otherwise a text, to be given to jali_cohort_free with length 0.
 *   A text holds no secret. On an error nothing is written to the results.
 * Memory.  Bytes that a function returns belong to the caller, who gives them to jali_cohort_free with their length: it zeroes them
 *   first. Inputs are read during the call only and are never kept; selections and stored keys are the caller's to erase.
 * Handles. A handle is a number, never 0, never used twice. Erasing it ends it; a stale or foreign handle is an error, not a crash.
 * Threads. All functions may be called from many threads, on the same handle too. Erasing waits for what is under way.
 * Forks.   The library starts threads when it is loaded, and they do not survive fork(): load it after the fork, or start processes
 *   anew (Python: multiprocessing with "spawn"). It installs signal handlers as the Go runtime does, with SA_ONSTACK.
 * Unloading with dlclose is not possible.
 */
#ifndef JALI_COHORT_H
#define JALI_COHORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uintptr_t jali_cohort_key;    /* a secret key */
typedef uintptr_t jali_cohort_upload; /* one encrypted question */

/* Sizes of a parameter set ("ecq1-a", "ecq1-aplus", "ecq1-b"): entries per block, bytes of a registration without opening, bytes of
 * a reply per aggregate, largest absolute value of an answer. */
char *jali_cohort_sizes(const char *params, int64_t *slots_per_block, int64_t *registration, int64_t *reply, int64_t *limit);

/* Draws a key for the gateway's crs. auditor is the public key that the agreement names, or NULL with length 0. */
char *jali_cohort_generate(const char *params, const uint8_t crs[32], const uint8_t *auditor, size_t auditor_length,
                           jali_cohort_key *key, uint8_t **registration, size_t *registration_length);

/* The secret of a key, to be encrypted before it is written anywhere, and the key made of it again. */
char *jali_cohort_store(jali_cohort_key key, uint8_t **stored, size_t *stored_length);
char *jali_cohort_restore(const uint8_t *stored, size_t stored_length, jali_cohort_key *key);

/* The digest by which the gateway names the key. */
char *jali_cohort_key_id(jali_cohort_key key, uint8_t id[32]);

/* Zeroes the secret. */
char *jali_cohort_erase_key(jali_cohort_key key);

/* Prepares an upload. question is the JSON text of its public facts; selected lists the entries, in any order. seed is for a journal:
 * write it before anything is sent, and erase the upload if it was there already. blocks counts the ciphertexts, bytes the length of
 * all parts. */
char *jali_cohort_encrypt(jali_cohort_key key, const uint8_t *question, size_t question_length, const uint32_t *selected,
                          size_t selected_count, const uint8_t *auditor, size_t auditor_length, jali_cohort_upload *upload,
                          uint8_t seed[32], int64_t *blocks, int64_t *bytes);

/* A part of the upload: 0 is the head, 1 .. blocks are the ciphertexts, blocks + 1 is the tail, which may be empty. To send them in order
 * is to upload; progress is the part's number. A part is the same each time. */
char *jali_cohort_part(jali_cohort_upload upload, int64_t part, uint8_t **bytes, size_t *length);

/* SHA-256 of the upload, which Evaluate asks for. Parts that were not asked for in order are encrypted again. */
char *jali_cohort_commit(jali_cohort_upload upload, uint8_t commit[32]);

/* Zeroes selection and seeds. */
char *jali_cohort_erase_upload(jali_cohort_upload upload);

/* Reads a reply: for each of count bounds, the largest absolute value of an honest answer (0: the limit of the set), one number, sum +
 * noise. out_of_range is 1 if a number exceeds its bound: the selector was rejected, a declared rule was violated, or table version and
 * key do not match. Tell the researcher; never report it to the gateway by program. */
char *jali_cohort_decrypt(jali_cohort_key key, const uint8_t *reply, size_t reply_length, const int64_t *bounds, size_t count,
                          int64_t *numbers, int *out_of_range);

/* Zeroes length bytes and frees. NULL is allowed. */
void jali_cohort_free(void *p, size_t length);

#ifdef __cplusplus
}
#endif
#endif
