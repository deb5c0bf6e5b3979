// lock_rank.h: every ranked lock of the program, in the order in which a thread may take them; a
// rank belongs to one lock. ARCHITECTURE says what each guards.
//
// It stands here, below those who have the locks, so that the order can be read in one place.
// Builds with checks compare a lock with its row when it is made, and the order when it is taken.
// Threads: constants.
#ifndef OS_LOCK_RANK_H
#define OS_LOCK_RANK_H

// Name of the constant, rank, name of the lock.
#define LOCK_RANKS(ROW)                                                                            \
    ROW(RELOAD, 10, "reload")                                                                      \
    ROW(RULES, 20, "rules")                                                                        \
    ROW(SCRAPE, 30, "scrape")                                                                      \
    ROW(TSDB, 40, "tsdb")                                                                          \
    ROW(HEAD, 50, "head")                                                                          \
    ROW(WAL, 60, "wal")                                                                            \
    ROW(TSDB_WAKE, 70, "tsdb_wake")                                                                \
    ROW(HTTP_STREAM, 80, "http_stream")                                                            \
    ROW(HTTP_DOOR, 90, "http_door")                                                                \
    ROW(HTTP_CLIENT, 100, "http_client")                                                           \
    ROW(HTTP_SHARD, 110, "http_shard")

enum lock_rank {
    LOCK_LEAF, // Nothing is taken under it; many locks share it.
#define LOCK_RANK_VALUE(name, rank, text) LOCK_##name = (rank),
    LOCK_RANKS(LOCK_RANK_VALUE)
#undef LOCK_RANK_VALUE
};

#endif
