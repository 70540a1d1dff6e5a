#Requires -RunAsAdministrator
<#
.SYNOPSIS
Installs, renews or removes the store-PC agent on Windows (agent/README.md).

.EXAMPLE
install-windows.ps1 -Code ABCD-1234
.EXAMPLE
install-windows.ps1 -Remove
#>
[CmdletBinding()]
param(
    # The enrolment code; left out, the PC keeps the enrolment it has.
    [string] $Code,
    # Takes the task out and keeps the data.
    [switch] $Remove,
    [string] $Python = "py"
)

Set-StrictMode -Version Latest
$ErrorActionPreference = "Stop"

$TaskName = "Genba Agent"
$Program = Split-Path -Parent (Split-Path -Parent $PSScriptRoot)
$Data = Join-Path $env:ProgramData "Genba"
$Config = Join-Path $Data "genba-agent.toml"
$Venv = Join-Path $Program ".venv"
$VenvPython = Join-Path $Venv "Scripts\python.exe"

function Invoke-Checked([string] $File, [string[]] $Arguments) {
    & $File @Arguments
    if ($LASTEXITCODE -ne 0) {
        throw "$File $($Arguments -join ' ') : $LASTEXITCODE"
    }
}

if (Get-ScheduledTask -TaskName $TaskName -ErrorAction SilentlyContinue) {
    Stop-ScheduledTask -TaskName $TaskName
    Unregister-ScheduledTask -TaskName $TaskName -Confirm:$false
}
if ($Remove) {
    Write-Output "Removed the task '$TaskName'. The data in $Data is kept."
    return
}
if (-not (Test-Path $Config)) {
    throw "$Config is missing. Write it first (agent\README.md, Settings)."
}

# The token lies here: for SYSTEM and administrators alone, whatever was inherited. Names differ by language, SIDs do not.
Invoke-Checked "icacls.exe" @($Data, "/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F")

if (-not (Test-Path $VenvPython)) {
    Invoke-Checked $Python @("-m", "venv", $Venv)
}
Invoke-Checked $VenvPython @("-m", "pip", "install", "--quiet", "psutil", "pyserial", "httpx2", "cryptography")

Push-Location $Program
try {
    if ($Code) {
        Invoke-Checked $VenvPython @("-m", "agent", "enrol", "--config", $Config, "--code", $Code)
    }
}
finally {
    Pop-Location
}

$Action = New-ScheduledTaskAction -Execute $VenvPython -Argument "-m agent run --config `"$Config`"" -WorkingDirectory $Program
$Trigger = New-ScheduledTaskTrigger -AtStartup
$Principal = New-ScheduledTaskPrincipal -UserId "S-1-5-18" -LogonType ServiceAccount -RunLevel Highest
# A shop PC may run on batteries, and the agent has no end of its own.
$Settings = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -StartWhenAvailable `
    -MultipleInstances IgnoreNew -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
    -ExecutionTimeLimit ([TimeSpan]::Zero) -Priority 7
Register-ScheduledTask -TaskName $TaskName -Action $Action -Trigger $Trigger -Principal $Principal -Settings $Settings | Out-Null
Start-ScheduledTask -TaskName $TaskName
Write-Output "Installed and started the task '$TaskName'."
