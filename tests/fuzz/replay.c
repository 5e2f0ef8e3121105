/* replay_NAME FILE|DIRECTORY...: each file once through the target, without a fuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static long count;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (file == NULL || fstat(fileno(file), &about) != 0) {
        perror(path);
        exit(2);
    }
    size_t size = (size_t)about.st_size;
    uint8_t *bytes = malloc(size == 0 ? 1 : size); /* exactly: AddressSanitizer sees a read behind them */
    if (bytes == NULL || fread(bytes, 1, size, file) != size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    if (getenv("REPLAY_VERBOSE") != NULL)
        fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    count++;
}

static void replay(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    char inside[4096];
    if (directory == NULL) {
        replay_file(path);
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            replay(inside);
    }
    closedir(directory);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%ld inputs replayed\n", count);
    return count > 0 ? 0 : 2;
}
