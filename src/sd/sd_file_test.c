#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/fs.h"
#include "sd/sd.h"

static void write_file(struct fs *fs, const char *path, const char *text)
{
    struct error e = {0};
    struct file *f = fs_open(fs, path, FS_TRUNCATE, &e);
    assert_non_null(f);
    ASSERT_OK(fs_write_at(fs, f, 0, str_c(text), &e), e);
    fs_close(fs, f);
}

// "source labels: address address" per group.
static void expect_groups(struct sd_provider *p, i64 mono_ms, bool want_changed, const char *want)
{
    bool changed;
    const struct sd_group *groups;
    u32 count;
    sd_poll(p, mono_ms, &changed, &groups, &count);
    assert_int_equal(changed, want_changed);
    struct buf out;
    buf_init(&out, 1 << 16);
    buf_c(&out, "");
    for (u32 i = 0; i < count; i++) {
        buf_str(&out, groups[i].source);
        buf_byte(&out, ' ');
        labels_print(&out, groups[i].labels);
        for (u32 k = 0; k < groups[i].target_count; k++) {
            buf_byte(&out, ' ');
            buf_str(&out, labels_get(groups[i].targets[k], STR("__address__")));
        }
        buf_byte(&out, '\n');
    }
    ASSERT_STR_EQ(buf_get(&out), str_c(want));
    buf_fini(&out);
}

TEST(sd_file_follows_files_and_keeps_the_last_good_content)
{
    struct fs *fs = fs_mem_new(1 << 20);
    struct error e = {0};
    ASSERT_OK(fs_make_dir(fs, "/sd", &e), e);
    str files[] = {STR("t*.yml"), STR("/sd/one.json")};
    const struct sd_file_config c = {.files = files, .file_count = 2};
    const struct sd_deps deps = {.fs = fs, .dir = STR("/sd")};
    struct sd_provider *p = sd_file_new(&c, &deps, &e);
    expect_groups(p, 0, true, "");
    write_file(fs, "/sd/ta.yml", "- targets: ['a:1', 'b:2']\n  labels: {zone: x}\n");
    write_file(fs, "/sd/one.json", "[{\"targets\": [\"c:3\"], \"labels\": {\"k\": \"v\"}}]");
    expect_groups(p, 500, false, ""); // Not looked yet.
    expect_groups(p, 1000, true,
                  "/sd/ta.yml:0 {__meta_filepath=\"/sd/ta.yml\", zone=\"x\"} a:1 b:2\n"
                  "/sd/one.json:0 {__meta_filepath=\"/sd/one.json\", k=\"v\"} c:3\n");
    expect_groups(p, 3000, false,
                  "/sd/ta.yml:0 {__meta_filepath=\"/sd/ta.yml\", zone=\"x\"} a:1 b:2\n"
                  "/sd/one.json:0 {__meta_filepath=\"/sd/one.json\", k=\"v\"} c:3\n");
    write_file(fs, "/sd/one.json", "[{\"targets\": [\"c:3\"], \"lables\": {}}]");
    expect_groups(p, 5000, false,
                  "/sd/ta.yml:0 {__meta_filepath=\"/sd/ta.yml\", zone=\"x\"} a:1 b:2\n"
                  "/sd/one.json:0 {__meta_filepath=\"/sd/one.json\", k=\"v\"} c:3\n");
    ASSERT_OK(fs_unlink(fs, "/sd/ta.yml", &e), e);
    expect_groups(p, 7000, true,
                  "/sd/one.json:0 {__meta_filepath=\"/sd/one.json\", k=\"v\"} c:3\n");
    write_file(fs, "/sd/one.json", "[]");
    expect_groups(p, 9000, true, "");
    sd_free(p);
    fs_mem_free(fs);
}

TEST(sd_file_keeps_targets_while_the_system_refuses)
{
    struct fs *inner = fs_mem_new(1 << 20);
    struct fs *fs = fs_faulty_new(inner);
    struct error e = {0};
    ASSERT_OK(fs_make_dir(fs, "/sd", &e), e);
    str files[] = {STR("/sd/t.yml")};
    const struct sd_file_config c = {.files = files, .file_count = 1};
    const struct sd_deps deps = {.fs = fs};
    struct sd_provider *p = sd_file_new(&c, &deps, &e);
    const char *want = "/sd/t.yml:0 {__meta_filepath=\"/sd/t.yml\"} a:1\n";
    write_file(fs, "/sd/t.yml", "[{targets: ['a:1']}]");
    expect_groups(p, 0, true, want);
    fs_faulty_arm(fs, 1, FS_FAULT_EMFILE, true);
    expect_groups(p, 2000, false, want); // The folder cannot be listed.
    fs_faulty_arm(fs, 0, FS_FAULT_EMFILE, false);
    write_file(fs, "/sd/t.yml", "[{targets: ['bb:1']}]");
    fs_faulty_arm(fs, 2, FS_FAULT_EMFILE, true); // It can, but the file cannot be read.
    expect_groups(p, 4000, false, want);
    expect_groups(p, 6000, false, want);
    fs_faulty_arm(fs, 0, FS_FAULT_EMFILE, false);
    expect_groups(p, 8000, true, "/sd/t.yml:0 {__meta_filepath=\"/sd/t.yml\"} bb:1\n");
    sd_free(p);
    fs_faulty_free(fs);
    fs_mem_free(inner);
}

TEST(sd_file_refuses_too_many_targets)
{
    struct fs *fs = fs_mem_new(8 << 20);
    struct error e = {0};
    ASSERT_OK(fs_make_dir(fs, "/sd", &e), e);
    str files[] = {STR("/sd/t.json")};
    const struct sd_file_config c = {.files = files, .file_count = 1};
    const struct sd_deps deps = {.fs = fs};
    struct sd_provider *p = sd_file_new(&c, &deps, &e);
    struct buf b;
    buf_init(&b, 4 << 20);
    buf_c(&b, "[{\"targets\":[\"a\"");
    for (u32 i = 0; i < 200000; i++) {
        buf_c(&b, ",\"a\"");
    }
    buf_c(&b, "]}]");
    buf_byte(&b, '\0');
    write_file(fs, "/sd/t.json", b.bytes);
    expect_groups(p, 0, true, "");
    buf_fini(&b);
    sd_free(p);
    fs_mem_free(fs);
}

TEST(sd_static_tells_once)
{
    str targets[] = {STR("a:1"), STR("b:2")};
    const struct sd_static_config c[] = {{.targets = targets, .target_count = 2}, {0}};
    struct sd_provider *p = sd_static_new(c, 2);
    expect_groups(p, 0, true, "static:0 {} a:1 b:2\nstatic:1 {}\n");
    expect_groups(p, 1, false, "static:0 {} a:1 b:2\nstatic:1 {}\n");
    sd_free(p);
}
