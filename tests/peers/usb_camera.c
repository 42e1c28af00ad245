/* A USB camera without a kernel module: to be loaded before libc, it answers for one path in /dev.
 *
 * USB_CAMERA is that path, USB_CAMERA_FORMAT what it sends as its driver would call it (YUYV, MJPG), and
 * USB_CAMERA_FILM a file of pictures, each after its length in four bytes, shown over and over at ten a second.
 * USB_CAMERA_IS says what is wrong with it. All that the kernel would do is done here, so what is tested is the
 * reader's own code down to its system calls; neither the kernel's driver nor the bus is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS 8
#define ROOM (1 << 18)
#define SHOWN 12 /* pictures before something happens to it */

static unsigned char room[BUFFERS][ROOM] __attribute__((aligned(4096)));
static unsigned char film[1 << 24];
static size_t length, at;
static const char *path, *is = "";
static unsigned format, queue[BUFFERS], waiting, shown, refusals;
static int camera = -1;

__attribute__((constructor)) static void plug_in(void)
{
    const char *name = getenv("USB_CAMERA_FORMAT"), *reel = getenv("USB_CAMERA_FILM");
    FILE *file = reel ? fopen(reel, "rb") : NULL;
    path = getenv("USB_CAMERA");
    is = getenv("USB_CAMERA_IS") ? getenv("USB_CAMERA_IS") : "";
    format = name ? v4l2_fourcc(name[0], name[1], name[2], name[3]) : 0;
    if (file) {
        length = fread(film, 1, sizeof film, file);
        fclose(file);
    }
}

static int is_now(const char *word) { return !strcmp(is, word); }

static int fail(int number)
{
    errno = number;
    return -1;
}

static int pulled(void) /* out, and in again when it was looked for twice */
{
    return is_now("pulled") && shown >= SHOWN && refusals < 2;
}

static int opens(const char *name, int flags, int mode)
{
    if (!path || strcmp(name, path) || flags & O_PATH)
        return (int)syscall(SYS_openat, AT_FDCWD, name, flags, mode);
    if (pulled())
        return refusals++, fail(ENODEV);
    if (is_now("forbidden"))
        return fail(EACCES);
    waiting = 0;
    return camera = dup(0);
}

int open(const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    return opens(name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    return opens(name, flags, mode);
}

int close(int handle)
{
    if (handle == camera)
        camera = -1;
    return (int)syscall(SYS_close, handle);
}

void *mmap64(void *wish, size_t size, int rights, int kind, int handle, off64_t place)
{
    if (camera >= 0 && handle == camera)
        return room[place / ROOM];
    return (void *)syscall(SYS_mmap, wish, size, rights, kind, handle, place);
}

int munmap(void *start, size_t size)
{
    if ((unsigned char *)start >= room[0] && (unsigned char *)start < room[0] + sizeof room)
        return 0;
    return (int)syscall(SYS_munmap, start, size);
}

static int give(struct v4l2_buffer *buffer)
{
    struct timespec tenth = {0, 100000000}, now;
    unsigned size;
    nanosleep(&tenth, NULL);
    while (is_now("stalled") && shown >= SHOWN)
        pause();
    if (pulled())
        return fail(ENODEV);
    if (!waiting || !length)
        return fail(EAGAIN);
    memcpy(&size, film + at, sizeof size);
    memset(buffer, 0, sizeof *buffer);
    buffer->index = queue[0];
    memmove(queue, queue + 1, --waiting * sizeof *queue);
    memcpy(room[buffer->index], film + at + sizeof size, size);
    at = (at + sizeof size + size) % length;
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->memory = V4L2_MEMORY_MMAP;
    buffer->bytesused = size;
    shown++;
    return 0;
}

static int formats(struct v4l2_format *wish, int change)
{
    if (change && is_now("busy"))
        return fail(EBUSY);
    wish->fmt.pix = (struct v4l2_pix_format){
        .width = 320, .height = 256, .pixelformat = format, .field = V4L2_FIELD_NONE,
        .bytesperline = 640, .sizeimage = 640 * 256,
    };
    return 0;
}

static int answers(unsigned long what, void *with)
{
    struct v4l2_capability *able = with;
    struct v4l2_requestbuffers *wish = with;
    struct v4l2_buffer *buffer = with;
    switch (what) {
    case VIDIOC_QUERYCAP:
        memset(able, 0, sizeof *able);
        able->capabilities = is_now("a radio") ? V4L2_CAP_RADIO : V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
        return formats(with, what == VIDIOC_S_FMT);
    case VIDIOC_G_INPUT:
        return *(int *)with = 0;
    case VIDIOC_ENUMINPUT:
        ((struct v4l2_input *)with)->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    case VIDIOC_G_PARM:
        ((struct v4l2_streamparm *)with)->parm.capture.timeperframe = (struct v4l2_fract){1, 10};
        return 0;
    case VIDIOC_REQBUFS:
        wish->count = wish->count < BUFFERS ? wish->count : BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = ROOM;
        buffer->m.offset = buffer->index * ROOM;
        return 0;
    case VIDIOC_QBUF:
        queue[waiting++ % BUFFERS] = buffer->index;
        return 0;
    case VIDIOC_DQBUF:
        return give(buffer);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        return 0;
    }
    return fail(ENOTTY);
}

int ioctl(int handle, unsigned long what, ...)
{
    va_list more;
    va_start(more, what);
    void *with = va_arg(more, void *);
    va_end(more);
    if (camera >= 0 && handle == camera)
        return answers((unsigned int)what, with);
    return (int)syscall(SYS_ioctl, handle, what, with);
}
