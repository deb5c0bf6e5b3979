// tmk_slot.c: which thread am I, as a small number.
//
// A thread takes the lowest free number when it first adds a fraction and gives it back when it
// ends; its successor goes on adding to the same cells, so that nothing is lost. The mutex orders
// the two. This is the only state of the library outside registries.
#include "client/tmk_inner.h"

enum { SLOT_WORDS = TMK_SLOTS_MAX / 64 };

static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t slot_taken[SLOT_WORDS]; // guarded by slot_lock
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;
static pthread_key_t slot_key;
static bool slot_key_made;
// What the key holds for slot i is the address of its mark: a number that is not 0.
static char slot_marks[TMK_SLOTS_MAX];

__extension__ static __thread int slot_mine; // 0: none yet, -1: none to be had, else number + 1

static void slot_release(void *held)
{
    const size_t i = (size_t)((char *)held - slot_marks);
    pthread_mutex_lock(&slot_lock);
    slot_taken[i / 64] &= ~(UINT64_C(1) << (i % 64));
    pthread_mutex_unlock(&slot_lock);
    slot_mine = 0;
}

static void slot_key_make(void)
{
    slot_key_made = pthread_key_create(&slot_key, slot_release) == 0;
}

static int slot_take(void)
{
    int found = -1;
    pthread_mutex_lock(&slot_lock);
    for (int w = 0; w < SLOT_WORDS && found < 0; w++) {
        if (slot_taken[w] != UINT64_MAX) {
            int bit = __builtin_ctzll(~slot_taken[w]);
            slot_taken[w] |= UINT64_C(1) << bit;
            found = w * 64 + bit;
        }
    }
    pthread_mutex_unlock(&slot_lock);
    return found;
}

static int slot_find(void)
{
    pthread_once(&slot_once, slot_key_make);
    slot_mine = -1;
    if (!slot_key_made) {
        return -1;
    }
    int i = slot_take();
    if (i < 0) {
        return -1;
    }
    if (pthread_setspecific(slot_key, &slot_marks[i]) != 0) {
        slot_release(&slot_marks[i]);
        slot_mine = -1;
        return -1;
    }
    slot_mine = i + 1;
    return i;
}

int tmk_slot_get(void)
{
    if (slot_mine > 0) {
        return slot_mine - 1;
    }
    return slot_mine < 0 ? -1 : slot_find();
}
