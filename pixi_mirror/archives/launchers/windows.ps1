# An environment that installs itself:
#   powershell -ExecutionPolicy Bypass -File THIS_FILE [-o DIRECTORY] [-e NAME] [-s SHELL] [-v] [-q] [-h]
# Between the marks below stand a tar and the program that unpacks it, both in base64, line by line, within a comment.
$ErrorActionPreference = 'Stop'
$kind = '{kind}'
$sha256 = '{sha256}'
$endArchive = '__END_ARCHIVE__'

function Stop-Here([string] $sentence, [int] $status) {
    [Console]::Error.WriteLine("${PSCommandPath}: $sentence")
    exit $status
}

# Decode the lines up to $mark into the file $path.
function Expand-Lines([System.IO.StreamReader] $reader, [string] $mark, [string] $path) {
    $file = [System.IO.File]::Create($path)
    try {
        while ($true) {
            $line = $reader.ReadLine()
            if ($null -eq $line) { Stop-Here 'it was cut short on its way here. Copy it again, as a binary file.' 6 }
            if ($line -eq $mark) { break }
            $bytes = [Convert]::FromBase64String($line)
            $file.Write($bytes, 0, $bytes.Length)
        }
    }
    finally { $file.Dispose() }
}

# The first command that starts a Python which is new enough: one that reads zstd itself before all others.
function Find-Python {
    foreach ($asked in 'import sys, compression.zstd', 'import sys; assert sys.version_info >= (3, 9)') {
        foreach ($candidate in @('py', '-3'), @('python3'), @('python')) {
            if (-not (Get-Command $candidate[0] -CommandType Application -ErrorAction SilentlyContinue)) { continue }
            $before = @($candidate | Select-Object -Skip 1)
            $ErrorActionPreference = 'Continue'
            & $candidate[0] @before -I -c $asked *> $null
            $found = $LASTEXITCODE -eq 0
            $ErrorActionPreference = 'Stop'
            if ($found) { return $candidate }
        }
    }
    Stop-Here ('a Python is needed to unpack this, 3.9 or newer (3.14 or newer, or the program zstd, to read packages ' +
        'in the format .conda); there is none on PATH. Install one, or ask for this pack with an unpacker that is a program.') 7
}

$work = Join-Path ([System.IO.Path]::GetTempPath()) ('pixi-mirror-' + [System.IO.Path]::GetRandomFileName())
[void] [System.IO.Directory]::CreateDirectory($work)
$status = 8
try {
    $archive = Join-Path $work 'archive.tar'
    $unpacker = Join-Path $work $(if ($kind -eq 'python') { 'unpacker.py' } else { 'unpacker.exe' })
    $reader = New-Object System.IO.StreamReader($PSCommandPath, [System.Text.Encoding]::ASCII)
    try {
        do { $line = $reader.ReadLine() } until ($null -eq $line -or $line -eq '__END_HEADER__')
        Expand-Lines $reader $endArchive $archive
        Expand-Lines $reader '#>' $unpacker
    }
    finally { $reader.Dispose() }
    if ((Get-FileHash -Algorithm SHA256 -LiteralPath $unpacker).Hash -ne $sha256) {
        Stop-Here 'it was damaged on its way here: the unpacker in it is not the one that was packed. Copy it again.' 6
    }
    $env:PIXI_MIRROR_SCRIPT = $PSCommandPath
    # What a program writes to its error stream is no error of this script.
    $ErrorActionPreference = 'Continue'
    if ($kind -eq 'python') {
        $python = @(Find-Python)
        $before = @($python | Select-Object -Skip 1)
        & $python[0] @before -I -B $unpacker @args $archive
    }
    else {
        & $unpacker @args $archive
    }
    $status = $LASTEXITCODE
}
catch [System.FormatException] {
    [Console]::Error.WriteLine("${PSCommandPath}: it was changed on its way here. Copy it again, as a binary file.")
    $status = 6
}
catch {
    [Console]::Error.WriteLine("${PSCommandPath}: $($_.Exception.Message)")
    $status = 8
}
finally {
    Remove-Item -LiteralPath $work -Recurse -Force -ErrorAction SilentlyContinue
    Remove-Item -LiteralPath Env:PIXI_MIRROR_SCRIPT -ErrorAction SilentlyContinue
}
exit $status
<#
__END_HEADER__
